"""What a call came to. Everything that decides is deterministic (PROTOCOL 5.3, 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from coprocessor.sandbox.abi import Event, ResultStatus
from coprocessor.sandbox.faults import ExhaustedLimit
from coprocessor.values.identities import ProgramId

__all__ = ["LogEntry", "Outcome", "OutcomeKind"]


class OutcomeKind(IntEnum):
    """How a call ended."""

    OK = 0
    REVERTED = 1
    """By the program itself, or by a trap; the state is untouched."""
    EXHAUSTED = 2
    """A deterministic limit; the state is untouched."""
    INTERRUPTED = 3
    """A query's deadline passed. Never an outcome of a command."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log line.

    Attributes:
        program: who logged.
        level: 0 debug, 1 info, 2 warning, 3 error.
        text: as the program gave it, not necessarily UTF-8.
    """

    program: ProgramId
    level: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one call.

    Attributes:
        kind: how it ended.
        fuel: what it took; the whole budget where fuel ran out.
        status: the guest's own word where there is one; REVERTED for traps and limits.
        limit: which one, for EXHAUSTED.
        result: the program's result, for OK.
        events: for OK.
        logs: also of calls that failed.
        message: why, for everything but OK.
    """

    kind: OutcomeKind
    fuel: int
    status: ResultStatus = ResultStatus.OK
    limit: ExhaustedLimit | None = None
    result: bytes = b""
    events: tuple[Event, ...] = ()
    logs: tuple[LogEntry, ...] = ()
    message: str = ""

    @property
    def is_ok(self) -> bool:
        """The program did what it was asked, and its writes count."""
        return self.kind is OutcomeKind.OK
