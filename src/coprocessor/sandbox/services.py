"""What the host does for one active program, behind the functions that a guest imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from coprocessor.sandbox.rules import Rules

__all__ = ["HostServices", "ScanPage"]


@dataclass(frozen=True, slots=True)
class ScanPage:
    """Entries of one scan, and how many keys were looked at to find them, removed ones included."""

    entries: tuple[tuple[bytes, bytes], ...]
    visited: int


class HostServices(Protocol):
    """The host's side of one program activation. Sizes and pointers are checked before; fuel is charged before.

    Attributes:
        rules: prices and limits of the runtime.
    """

    @property
    def rules(self) -> Rules:
        """See above."""

    def kv_get(self, key: bytes) -> bytes | None:
        """The value of ``key`` as the activation sees it."""

    def kv_set(self, key: bytes, value: bytes) -> None:
        """Writes. Raises LimitExhausted(STATE), or GuestFault where writing is not allowed."""

    def kv_delete(self, key: bytes) -> None:
        """Removes. Raises as ``kv_set`` does."""

    def kv_scan(self, prefix: bytes, start: bytes, limit: int) -> ScanPage:
        """Entries with ``prefix``, greater than ``start`` if that is not empty, ascending, at most ``limit``, cut
        where the page would pass MAX_SCAN_BYTES."""

    def log(self, level: int, text: bytes) -> None:
        """Appends to the log. Raises LimitExhausted(LOG)."""

    def derive_key(self, purpose: bytes) -> bytes:
        """32 bytes for a purpose, for this program alone."""

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r || s || v by the program's account key."""

    def random(self, length: int) -> bytes:
        """Bytes that every replica draws alike (PROTOCOL 5.2)."""

    def call_program(self, program: bytes, payload: bytes, fuel: int, depth: int) -> tuple[bytes, int]:
        """Calls another program with all fuel that is left, at the given native-stack depth.

        Returns the status byte with the output, and the fuel that the call took. Raises GuestFault for an undeclared
        callee.
        """
