"""A counter: the smallest Phat contract."""

from __future__ import annotations

from phat import Contract, command, query


class Counter(Contract):
    """Anybody may add; the count is a program's state."""

    count: int = 0

    def init(self, start: int = 0) -> None:
        """``start``: what it counts from."""
        self.count = start

    @command
    def add(self, by: int = 1) -> int:
        """Adds and returns the new count."""
        self.count += by
        return self.count

    @query
    def get(self) -> int:
        """The present count."""
        return self.count
