"""The standard streams of a program: what is printed goes to the program's log, and there is nothing to read."""

from __future__ import annotations

import io
from collections.abc import Callable

from phat.errors import Unavailable

_INFO = 1


class NoInput(io.TextIOBase):
    """The standard input of a program that has none."""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> str:
        raise Unavailable("reading from the standard input is not available: pass arguments to the method")

    readline = read


class LogStream(io.TextIOBase):
    """A text stream that logs each line."""

    def __init__(self, log: Callable[[int, bytes], None]) -> None:
        self._log = log
        self._pending: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, rest = text.split("\n")
        for line in lines:
            self._emit(line)
        if rest:
            self._pending.append(rest)
        return len(text)

    def finish(self) -> None:
        """Logs what no newline has ended."""
        if self._pending:
            self._emit("")

    def _emit(self, line: str) -> None:
        text = "".join(self._pending) + line
        self._pending.clear()
        self._log(_INFO, text.encode(errors="replace"))
