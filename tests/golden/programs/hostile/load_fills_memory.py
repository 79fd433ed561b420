"""A module that takes memory for ever while it is loaded: the program is refused."""

from __future__ import annotations

from phat import Contract

PAGES = [bytes(10_000) for _ in iter(int, 1)]


class Never(Contract):
    pass
