"""Tables in text: CSV in several dialects, INI files, TOML, shell words, and a small aggregation."""

from __future__ import annotations

import configparser
import csv
import io
import shlex
import tomllib

from phat import Contract, command, query

# > load ["name,amount,note\nAda,3,\"said \"\"hi\"\"\"\nBob,x,\nAda,4,\"two\nlines\"\n"]
# > load ["name\n\"never closed"]
# > totals []
# > dialects []
# > settings []
# > toml ["[a]\nb = [1, 2.5, 2024-01-02T03:04:05Z]\n'c d' = \"\\u00e9\"\n[[e]]\nf = true\n"]
# > toml ["a = 1\na = 2"]
# > words ["say 'hello world' --to=\"a b\" # rest"]


class Tables(Contract):
    rows: list[dict[str, str]] = []

    @command
    def load(self, text: str) -> int:
        self.rows = [*csv.DictReader(io.StringIO(text, newline=""), strict=True)]
        return len(self.rows)

    @query
    def totals(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for row in self.rows:
            totals[row["name"]] = totals.get(row["name"], 0) + (int(row["amount"]) if row["amount"].isdigit() else 0)
        return totals

    @query
    def dialects(self) -> list[str]:
        said = []
        rows = [["a;b", 'c"d', "", None, 1.5], ["é\n", " x "]]
        for options in (
            {},
            {"delimiter": ";", "quoting": csv.QUOTE_ALL},
            {"dialect": "excel-tab"},
            {"quoting": csv.QUOTE_NONNUMERIC, "lineterminator": "|"},
        ):
            out = io.StringIO()
            csv.writer(out, **options).writerows(rows)
            said.append(out.getvalue())
        return [*said, csv.Sniffer().sniff("a;b\n1;2\n").delimiter]

    @query
    def settings(self) -> list[str]:
        parser = configparser.ConfigParser()
        parser.read_string("[DEFAULT]\nbase = 10\n[one]\nvalue = %(base)s0\nlist = a\n  b\n[two]\nflag: yes")
        return [
            parser["one"]["value"],
            parser["one"]["list"],
            str(parser.getboolean("two", "flag")),
            str(parser.sections()),
            str(parser.get("two", "none", fallback=None)),
        ]

    @query
    def toml(self, text: str) -> str:
        return str(tomllib.loads(text))

    @query
    def words(self, text: str) -> list[str]:
        return [*shlex.split(text, comments=True), shlex.quote("it's")]
