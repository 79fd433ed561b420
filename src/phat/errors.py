"""The errors that a program can raise or meet."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["CallFailed", "Error", "Refused", "Unavailable", "UnavailableFile", "revert"]


class Error(Exception):
    """A program's own refusal: the call fails, its state stays as it was, and the author reads the message.

    Derive from it to name the cases of a program: ``class Closed(Error): ...``.
    """


class CallFailed(Error):
    """A call to another program did not succeed.

    Attributes:
        status: 1 reverted, 2 unknown method, 3 bad arguments; other numbers come from the host.
        output: what the other program answered.
    """

    def __init__(self, message: str, status: int, output: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.output = output


class Refused(Exception):
    """A contract class or bundle that cannot be loaded; the message says why and what to write instead."""


class Unavailable(RuntimeError):
    """Something that a program cannot reach, because replicas could not agree on it: time, entropy, threads."""


class UnavailableFile(Unavailable, OSError):
    """Files and sockets: a program has none."""


def revert(message: str) -> NoReturn:
    """Fails the call with ``message``; nothing that it wrote is kept.

    Raises:
        Error: always.
    """
    raise Error(message)
