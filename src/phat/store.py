"""The state of one call: values read lazily, compared and written back when the call has succeeded."""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterator
from typing import Any, Final

from phat import canonical
from phat.errors import Error
from phat.host import Host
from phat.limits import MAX_KEY_BYTES, MAX_VALUE_BYTES, SCAN_PAGE_ENTRIES, SCAN_PAGE_FULL_BYTES
from phat.schema import Mismatch, Schema, found

__all__ = ["MISSING", "Label", "Store"]


class _Mark:
    """A value that no program can have."""

    __slots__ = ()


Label = str | tuple[str, object]
"""What a value is called: a field, or a map's field and key; spelt out only in messages."""

MISSING: Final = _Mark()
_UNREAD: Final = _Mark()


class _Slot:
    """One value of the state during a call.

    Attributes:
        baseline: bytes that need no writing; None if the host has none.
        encoded: bytes as of the last assignment; a mutable value may have moved on since.
        value: what the program sees; not decoded before it is read.
    """

    __slots__ = ("baseline", "encoded", "label", "schema", "value")

    def __init__(self, label: Label, schema: Schema, stored: bytes | None) -> None:
        self.label = label
        self.schema = schema
        self.baseline = self.encoded = stored
        self.value: Any = _UNREAD

    def read(self) -> Any:
        if self.value is _UNREAD:
            self.value = MISSING if self.encoded is None else _decode(self.schema, self.label, self.encoded)
        return self.value


class Store:
    """Caches the state that a call touches.

    Attributes:
        host: where the state is.
        read_only: the method's kind when it may not change state, else empty.
    """

    __slots__ = ("_slots", "host", "read_only")

    def __init__(self, host: Host) -> None:
        self.host = host
        self.read_only = ""
        self._slots: dict[bytes, _Slot] = {}

    def begin(self, read_only: str) -> None:
        """Forgets what earlier calls read."""
        self.read_only = read_only
        self._slots.clear()

    def read(self, key: bytes, schema: Schema, label: Label, default: Any = MISSING) -> Any:
        """The value under ``key``; when there is none, a copy of ``default``."""
        slot = self._slots.get(key) or self._load(key, schema, label)
        value = slot.read()
        if value is MISSING and default is not MISSING:
            if not schema.is_mutable:
                return default
            value = slot.value = copy.deepcopy(default)
            slot.baseline = slot.encoded = _encode(schema, label, value)
        return value

    def write(self, key: bytes, schema: Schema, label: Label, value: Any) -> bool:
        """Assigns a value; returns whether there was none before.

        Raises:
            Error: in a query.
            TypeError: if the value does not fit the type hint.
        """
        self._check_writable(label)
        encoded = _encode(schema, label, value)
        slot = self._slots.get(key) or self._load(key, schema, label)
        was_missing = slot.encoded is None
        slot.value, slot.encoded = value, encoded
        return was_missing

    def delete(self, key: bytes, schema: Schema, label: Label) -> bool:
        """Removes a value; returns whether there was one.

        Raises:
            Error: in a query.
        """
        self._check_writable(label)
        slot = self._slots.get(key) or self._load(key, schema, label)
        was_there = slot.encoded is not None
        slot.value, slot.encoded = MISSING, None
        return was_there

    def is_present(self, key: bytes, schema: Schema, label: Label) -> bool:
        """Whether there is a value under ``key``."""
        return (self._slots.get(key) or self._load(key, schema, label)).encoded is not None

    def scan(self, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Stored entries whose keys start with ``prefix`` and come after ``after``, in the order of their keys.

        Pending changes are written first, so that the host's order is the order that the program expects.
        """
        if not self.read_only:
            self.flush()
        while True:
            page = self.host.kv_scan(prefix, after, SCAN_PAGE_ENTRIES) or bytes(4)
            entries = _parse_page(page)
            yield from entries
            if len(entries) < SCAN_PAGE_ENTRIES and len(page) < SCAN_PAGE_FULL_BYTES:
                return
            after = entries[-1][0]

    def adopt(self, key: bytes, schema: Schema, label: Label, stored: bytes) -> Any:
        """The value of a scanned entry, or what this call has made of it since; ``MISSING`` if it is deleted."""
        slot = self._slots.get(key)
        if slot is None:
            slot = _Slot(label, schema, stored)
            if schema.is_mutable:
                self._slots[key] = slot
        return slot.read()

    def flush(self) -> None:
        """Writes what has changed, in the order in which it was first touched.

        Raises:
            Error: if a query changed something, or a value is too large.
        """
        for key, slot in self._slots.items():
            encoded = slot.encoded
            if slot.schema.is_mutable and slot.value is not _UNREAD and slot.value is not MISSING:
                encoded = slot.encoded = _encode(slot.schema, slot.label, slot.value)
            if encoded == slot.baseline:
                continue
            self._check_writable(slot.label)
            if encoded is None:
                self.host.kv_delete(key)
            else:
                self.host.kv_set(key, encoded)
            slot.baseline = encoded

    def _load(self, key: bytes, schema: Schema, label: Label) -> _Slot:
        if len(key) > MAX_KEY_BYTES:
            raise Error(f"the key of {_spell(label)} has {len(key)} bytes, at most {MAX_KEY_BYTES} are allowed")
        slot = self._slots[key] = _Slot(label, schema, self.host.kv_get(key))
        return slot

    def _check_writable(self, label: Label) -> None:
        if self.read_only:
            raise Error(f"{_spell(label)} cannot be changed in a {self.read_only}: make the method a @command")


def _spell(label: Label) -> str:
    return label if isinstance(label, str) else f"{label[0]}[{found(label[1])}]"


def _encode(schema: Schema, label: Label, value: Any) -> bytes:
    try:
        encoded = canonical.encode(schema.encode(value))
    except Mismatch as mismatch:
        raise TypeError(mismatch.explain(_spell(label))) from None
    if len(encoded) > MAX_VALUE_BYTES:
        size = f"{len(encoded)} bytes, at most {MAX_VALUE_BYTES} are allowed"
        raise Error(f"{_spell(label)} has {size}: split it with a Map")
    return encoded


def _decode(schema: Schema, label: Label, stored: bytes) -> Any:
    try:
        return schema.decode(canonical.decode_own(stored))
    except Mismatch as mismatch:  # written under other type hints
        raise Error(f"the state does not fit the type hint: {mismatch.explain(_spell(label))}") from None


def _parse_page(page: bytes) -> list[tuple[bytes, bytes]]:
    (count,) = struct.unpack_from("<I", page)
    entries, position = [], 4
    for _ in range(count):
        (size,) = struct.unpack_from("<I", page, position)
        key = page[position + 4 : position + 4 + size]
        position += 4 + size
        (size,) = struct.unpack_from("<I", page, position)
        entries.append((key, page[position + 4 : position + 4 + size]))
        position += 4 + size
    return entries
