"""Text: normal forms, case, categories, encodings, surrogates, grapheme pitfalls, wrapping, templates."""

from __future__ import annotations

import codecs
import html
import string
import textwrap
import unicodedata

from phat import Contract, query

# > forms ["Ångström ﬁ ①"]
# > case ["straße ΣΑΣ İ ǆ"]
# > categories ["aÀ1٣ \u00a0\u200d€𝔘"]
# > encodings ["héllo €"]
# > broken_encodings []
# > wrapped ["The quick brown fox jumps over the lazy dog, and a-very-long-hyphenated-word follows.", 24]
# > templates []
# > formatting []
# > methods ["  Mixed CASE text, tab\there  "]
# > escapes []


class Text(Contract):
    @query
    def forms(self, text: str) -> list[str]:
        return [
            f"{form} {unicodedata.normalize(form, text).encode('unicode_escape').decode()}"
            for form in ("NFC", "NFD", "NFKC", "NFKD")
        ] + [unicodedata.unidata_version]

    @query
    def case(self, text: str) -> list[str]:
        return [
            text.upper(),
            text.lower(),
            text.casefold(),
            text.title(),
            text.swapcase(),
            text.capitalize(),
            str(len(text.upper())),
        ]

    @query
    def categories(self, text: str) -> list[str]:
        return [
            f"{unicodedata.category(c)} {unicodedata.name(c, '?')} {unicodedata.numeric(c, -1)} {c.isidentifier()}"
            for c in text
        ]

    @query
    def encodings(self, text: str) -> list[str]:
        said = []
        for name in (
            "utf-8",
            "utf-16",
            "utf-16-be",
            "utf-32-le",
            "latin-1",
            "cp1252",
            "ascii",
            "utf-7",
            "punycode",
            "idna",
            "unicode_escape",
            "utf-8-sig",
            "rot13",
            "koi8-r",
            "shift_jis",
        ):
            try:
                said.append(f"{name} {codecs.encode(text, name)!r}")
            except Exception as error:
                said.append(f"{name} {type(error).__name__}: {str(error)[:70]}")
        return said

    @query
    def broken_encodings(self) -> list[str]:
        data = b"a\xff\xc3(\xed\xa0\x80"
        handlers = ["replace", "ignore", "backslashreplace", "surrogateescape"]
        said = [ascii(data.decode("utf-8", handler)) for handler in handlers]
        return [
            *said,
            str("\udcff".encode("utf-8", "surrogateescape")),
            "é☃".encode("ascii", "xmlcharrefreplace").decode(),
            "é☃".encode("ascii", "namereplace").decode(),
            ascii("\ud800" < "\U00010000"),
        ]

    @query
    def wrapped(self, text: str, width: int) -> list[str]:
        return [
            *textwrap.wrap(text, width),
            textwrap.shorten(text, width),
            textwrap.indent("a\n\nb", "> "),
            textwrap.dedent("   a\n     b\n   c"),
            textwrap.fill(text, 40, initial_indent="* "),
        ]

    @query
    def templates(self) -> list[str]:
        template = string.Template("$who owes ${amount} and $$5, $missing")
        return [
            template.safe_substitute(who="Ada", amount=3),
            str(template.get_identifiers()),
            string.capwords("the  end"),
            "{0!r:>8}{x[1]}{y.real:+}".format("é", x=[1, 2], y=3),
            html.escape("<a b='c'>&"),
            html.unescape("&eacute;&#x1f600;&nosuch;"),
        ]

    @query
    def formatting(self) -> list[str]:
        number, name = 1234567.891, "naïve"
        return [
            f"{number:,.2f}|{number:_.0f}|{number:>+15.3e}|{-number:=20}|{int(number):#x}|{int(number):,}|{0.256:.1%}|{name:*^12}|{name!a}|{name:.3}|{number:g}|{True:d}|{12:c}",
            "%-10s|%05.1f|%x|%r|%%|%+d" % (name, number, 255, name, 7),
            f"{10**20:e} {2**100:,}",
        ]

    @query
    def methods(self, text: str) -> list[str]:
        return [
            repr(text.strip()),
            str(text.split()),
            str(text.rsplit(None, 2)),
            text.expandtabs(4),
            str(text.partition("CASE")),
            text.translate({ord("e"): "3", ord("x"): None}),
            str("a\x1cb\u2028c\r\nd".splitlines()),
            "abc".removeprefix("a").removesuffix("c"),
            str("½".isnumeric()),
            "x".join("abc"),
            str("a".ljust(3) + "|"),
            str("aXbX".count("X")),
        ]

    @query
    def escapes(self) -> list[str]:
        return [
            "\N{SNOWMAN}\x41\u00e9\101",
            r"raw\n",
            "joined text",
            ascii("\U0001f600é\x7f\0"),
            repr('it\'s "both"\\'),
            str(b"\\x00\xff"),
        ]
