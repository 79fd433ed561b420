"""A module that takes nearly all memory when it is loaded: it is accepted, and its calls run out early."""

from __future__ import annotations

from phat import Contract, query

# > room [1000000]
# > room [20000000]
# > room [1000000]

BALLAST = bytearray(90_000_000)


class Heavy(Contract):
    @query
    def room(self, size: int) -> int:
        return len(bytes(size)) + len(BALLAST)
