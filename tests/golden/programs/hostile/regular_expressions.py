"""Catastrophic regular expressions: the matcher works until fuel ends, and never longer on one machine than another."""

from __future__ import annotations

import re

from phat import Contract, query

# > search ["(a+)+$", 24] fuel=200_000_000
# > search ["(a|aa)+$", 30] fuel=200_000_000
# > search ["(.*a){12}$", 25] fuel=200_000_000
# > search ["(a*)*$", 20] fuel=200_000_000
# > search ["(?>a+)+$", 5000]
# > search ["(?:a{1000}){1000}b", 2000] fuel=200_000_000
# > search ["(a?){4000}a{4000}", 4000] fuel=200_000_000
# > search ["(?=(a+))\\1+b", 60] fuel=200_000_000
# > search ["(((((((((a*)*)*)*)*)*)*)*)*)b", 12] fuel=200_000_000
# > search ["[", 1]
# > search ["(?P<a>x)(?P=b)", 1]
# > split [200]


class Matcher(Contract):
    @query
    def search(self, pattern: str, length: int) -> str:
        return repr(re.search(pattern, "a" * length + "!"))[:80]

    @query
    def split(self, length: int) -> int:
        return len(re.split(r"(\s*,\s*)*", ", " * length))
