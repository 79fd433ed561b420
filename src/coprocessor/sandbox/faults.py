"""How a running guest can fail, as exceptions of this package and as parts of an outcome."""

from __future__ import annotations

from enum import IntEnum

from coprocessor.values.errors import GuestFailed, InternalError

__all__ = ["ExhaustedLimit", "GuestFault", "GuestTrap", "HostShortage", "LimitExhausted", "TrapKind"]


class ExhaustedLimit(IntEnum):
    """Which deterministic limit ended a call (PROTOCOL 5.3, 5.5)."""

    FUEL = 1
    MEMORY = 2
    DEPTH = 3
    OUTPUT = 4
    LOG = 5
    STATE = 6

    @property
    def words(self) -> str:
        """For a message."""
        return self.name.lower()


class TrapKind(IntEnum):
    """Why the engine stopped a guest. Values are the engine's own."""

    STACK_OVERFLOW = 0
    MEMORY_OUT_OF_BOUNDS = 1
    HEAP_MISALIGNED = 2
    TABLE_OUT_OF_BOUNDS = 3
    INDIRECT_CALL_TO_NULL = 4
    BAD_SIGNATURE = 5
    INTEGER_OVERFLOW = 6
    INTEGER_DIVISION_BY_ZERO = 7
    BAD_CONVERSION_TO_INTEGER = 8
    UNREACHABLE = 9
    INTERRUPT = 10
    OUT_OF_FUEL = 11

    @property
    def words(self) -> str:
        """For a message: lower-case words."""
        return self.name.lower().replace("_", " ")


class GuestTrap(GuestFailed):
    """The engine stopped the guest."""

    def __init__(self, kind: TrapKind) -> None:
        super().__init__("guest.trap", f"the guest trapped: {kind.words}")
        self.kind = kind


class GuestFault(GuestFailed):
    """The guest broke the ABI: a pointer outside its memory, a key of no length, an undeclared callee."""

    def __init__(self, why: str) -> None:
        super().__init__("guest.fault", f"the guest broke the ABI: {why}")
        self.reason = why


class LimitExhausted(GuestFailed):
    """A host function met a deterministic limit."""

    def __init__(self, limit: ExhaustedLimit) -> None:
        super().__init__("guest.exhausted", f"the guest exhausted its limit of {limit.words}")
        self.limit = limit


class HostShortage(InternalError):
    """This machine, not the guest, ran out of something. It must decide nothing (PROTOCOL 5.3): the worker has to
    stop."""
