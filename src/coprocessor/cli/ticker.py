"""Progress of work that tells what it is at."""

from __future__ import annotations

import time

from coprocessor.cli.screen import Screen

__all__ = ["Ticker"]

_FIRST, _EVERY = 1.0, 5.0


class Ticker:
    """Says on stderr now and then what is being done, once the whole takes longer than a second.

    Args:
        screen: where to.
        doing: what the whole is called.
    """

    def __init__(self, screen: Screen, doing: str) -> None:
        self._screen = screen
        self._doing = doing
        self._next = time.monotonic() + _FIRST

    def __call__(self, at: str) -> None:
        """Notes where the work is."""
        if time.monotonic() >= self._next:
            self._screen.note(f"{self._doing}: {at} ...")
            self._next = time.monotonic() + _EVERY
