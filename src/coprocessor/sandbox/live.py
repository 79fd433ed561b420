"""The small interface over one live instance, which the fast and the public path both implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from coprocessor.sandbox.faults import ExhaustedLimit, GuestFault, LimitExhausted
from coprocessor.values.errors import InternalError

if TYPE_CHECKING:
    import wasmtime

    from coprocessor.sandbox.services import HostServices

__all__ = ["SETUP_FUEL", "Backend", "HostFunction", "LiveInstance", "Prepared"]

SETUP_FUEL: Final = 1 << 60
"""Fuel while an instance is made: without copy-on-write, copying the image burns some, so the budget is set after."""

HostFunction = Callable[..., "int | None"]
"""``(instance, *arguments) -> result``; arguments and result are unsigned integers."""


class LiveInstance(ABC):
    """One fresh instance of a guest: its memory, its two functions, its fuel.

    Attributes:
        services: what the host does for the active program; set before the guest is called.
        failure: what a host function raised, kept while the engine unwinds the guest.
    """

    services: HostServices | None = None
    failure: BaseException | None = None

    @abstractmethod
    def memory_bytes(self) -> int:
        """Present size of the linear memory."""

    @abstractmethod
    def read(self, pointer: int, length: int) -> bytes:
        """A copy of guest memory. Raises GuestFault outside of it."""

    @abstractmethod
    def write(self, pointer: int, data: bytes) -> None:
        """Writes guest memory. Raises GuestFault outside of it."""

    @abstractmethod
    def grow_to(self, size: int) -> None:
        """Grows the memory to ``size`` bytes. Raises HostShortage."""

    def map_memory(self, descriptor: int, length: int) -> None:
        """Replaces the first ``length`` bytes of memory by a private mapping of a file. Raises HostShortage.

        Only where ``ImagePool`` is in use.
        """
        raise InternalError("sandbox.map_memory", "this path to the engine cannot map memory")

    @abstractmethod
    def allocate(self, length: int) -> int:
        """``phat_alloc``: a pointer, not yet checked. Raises GuestTrap, or what a host function raised."""

    @abstractmethod
    def call(self, pointer: int, length: int) -> int:
        """``phat_call``: packed pointer and length, not yet checked. Raises as ``allocate`` does."""

    @abstractmethod
    def get_fuel(self) -> int:
        """Fuel that is left."""

    @abstractmethod
    def set_fuel(self, fuel: int) -> None:
        """Sets the fuel that is left."""

    @abstractmethod
    def get_global(self, name: str) -> int:
        """Bits of an exported global, as an unsigned integer."""

    @abstractmethod
    def set_global(self, name: str, value: int) -> None:
        """Sets an exported i32 global."""

    @abstractmethod
    def close(self) -> None:
        """Frees the instance; every instance MUST be closed."""

    def charge(self, fuel: int) -> None:
        """Takes fuel for work of the host. Raises LimitExhausted, with nothing left, where there is not enough."""
        left = self.get_fuel()
        if left < fuel:
            self.set_fuel(0)
            raise LimitExhausted(ExhaustedLimit.FUEL)
        self.set_fuel(left - fuel)

    def pass_in(self, data: bytes) -> int:
        """Puts data into a buffer that the guest allocates. Returns pointer and length, packed."""
        pointer = self.allocate(max(len(data), 1))
        if pointer == 0:
            raise GuestFault("phat_alloc returned null")
        self.write(pointer, data)
        return pointer << 32 | len(data)


class Prepared(Protocol):
    """A module ready to be instantiated again and again."""

    def instantiate(self, is_interruptible: bool) -> LiveInstance:
        """A fresh instance with SETUP_FUEL. Raises HostShortage."""


class Backend(Protocol):
    """One way of driving the engine."""

    def prepare(self, module: wasmtime.Module, memory_bytes: int, table_elements: int) -> Prepared:
        """Links a module with the host functions."""
