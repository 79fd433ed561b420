"""Regular expressions: a tokenizer, named groups, look-around, substitution by function, flags, Unicode classes."""

from __future__ import annotations

import re

from phat import Contract, query

# > tokens ["total = 3.5*(rate + 10) // note"]
# > tokens ["a ? b"]
# > links ["see https://phat.network/a?b=1, or <mailto:x@y.zz>."]
# > passwords [["abc", "Abcdefg1", "ABCDEFG1!"]]
# > camel ["some_longish_name_2_go"]
# > flags []
# > unicode ["naïve Ünïcode Ωμέγα ١٢٣"]
# > template ["Dear {name}, you owe {amount}."]

TOKENS = re.compile(
    r"""
    (?P<number>\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<comment>//.*)
  | (?P<operator>[-+*/=()])
  | (?P<space>\s+)
  | (?P<other>.)
    """,
    re.VERBOSE,
)


class Search(Contract):
    @query
    def tokens(self, text: str) -> list[str]:
        said = []
        for found in TOKENS.finditer(text):
            if found.lastgroup == "other":
                raise SyntaxError(f"{found[0]!r} at {found.start()}")
            if found.lastgroup != "space":
                said.append(f"{found.lastgroup}:{found[0]}")
        return said

    @query
    def links(self, text: str) -> list[str]:
        return re.findall(r"(?:https?|mailto):[^\s,>]+(?<![.,])", text)

    @query
    def passwords(self, words: list[str]) -> list[bool]:
        return [bool(re.fullmatch(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{8,}", word)) for word in words]

    @query
    def camel(self, name: str) -> list[str]:
        camel = re.sub(r"_+(\w)", lambda found: found[1].upper(), name)
        return [camel, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", camel).lower(), *re.split("(_)", name, maxsplit=2)]

    @query
    def flags(self) -> list[str]:
        text = "One\ntwo\nTHREE"
        return [
            str(re.findall(r"^t\w+$", text, re.M | re.I)),
            str(re.search("e.t", text, re.S)),
            str(re.findall(r"(?i:o)\w", text)),
            str(re.compile("a", re.A).flags),
            str(re.subn("[a-z]", "", text)),
            re.escape("a.b*c"),
            str(re.fullmatch(r"(\w)(\w)?.*", "x").groups("none")),
        ]

    @query
    def unicode(self, text: str) -> list[str]:
        return [*re.findall(r"\w+", text), *re.findall(r"\d", text), str(re.findall(r"\w+", text, re.ASCII))]

    @query
    def template(self, text: str) -> str:
        values = {"name": "Ada", "amount": "3 €"}
        return re.sub(r"\{(\w+)\}", lambda found: values[found.group(1)], text)
