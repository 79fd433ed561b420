"""What a program's host offers: the imports of guest ABI v1, as Python sees them."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Host"]


class Host(Protocol):
    """The host's side of one call. ``None`` means *absent*."""

    def kv_get(self, key: bytes) -> bytes | None: ...

    def kv_set(self, key: bytes, value: bytes) -> None: ...

    def kv_delete(self, key: bytes) -> None: ...

    def kv_scan(self, prefix: bytes, start: bytes, limit: int) -> bytes | None:
        """Entries after ``start`` with ``prefix``: u32 count, then u32 length, key, u32 length, value each."""
        ...

    def log(self, level: int, message: bytes) -> None: ...

    def derive_key(self, purpose: bytes) -> bytes | None: ...

    def sign(self, digest: bytes) -> bytes | None: ...

    def random(self, count: int) -> bytes | None: ...

    def call(self, program: bytes, input: bytes) -> bytes | None:
        """Status byte and output of another program's method; ``input`` is selector and arguments."""
        ...
