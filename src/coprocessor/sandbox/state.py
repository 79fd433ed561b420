"""The key-value maps of programs, and the layers of writes that a running item puts over them.

Each activation of a program writes into a layer of its own. When it succeeds, its layer joins the one below; when it
fails, the layer is dropped. The bottom layer of an item that succeeded is applied to the maps.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TypeAlias

from sortedcontainers import SortedDict

from coprocessor.sandbox.services import ScanPage
from coprocessor.values.identities import ProgramId
from coprocessor.values.limits import MAX_SCAN_BYTES

__all__ = ["Layer", "ProgramStates", "Write"]

Write: TypeAlias = tuple[ProgramId, bytes, "bytes | None"]
"""Program, key, and the value, or None where the key is removed."""

_ENTRY_FRAMING = 8
_PAGE_FRAMING = 4


class ProgramStates:
    """The state of all programs of an executor, in plaintext; it lives in enclave memory only."""

    def __init__(self) -> None:
        self._maps: dict[ProgramId, SortedDict] = {}

    def replace(self, program: ProgramId, entries: tuple[tuple[bytes, bytes], ...]) -> None:
        """Sets the whole state of a program."""
        self._maps[program] = SortedDict(entries)

    def forget(self, program: ProgramId) -> None:
        """Drops the state of a program."""
        self._maps.pop(program, None)

    def map_of(self, program: ProgramId) -> SortedDict:
        """The program's map, empty at first."""
        return self._maps.setdefault(program, SortedDict())

    def apply(self, writes: tuple[Write, ...]) -> None:
        """Applies the writes of an item that succeeded."""
        for program, key, value in writes:
            entries = self.map_of(program)
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value


class Layer:
    """Writes of one activation, over those of the activation below it, over the states."""

    def __init__(self, states: ProgramStates, below: Layer | None = None) -> None:
        self._states = states
        self._below = below
        self._writes: dict[ProgramId, SortedDict] = {}

    def get(self, program: ProgramId, key: bytes) -> bytes | None:
        """The value as this activation sees it."""
        layer: Layer | None = self
        while layer is not None:
            writes = layer._writes.get(program)
            if writes is not None and key in writes:
                value: bytes | None = writes[key]
                return value
            layer = layer._below
        found: bytes | None = self._states.map_of(program).get(key)
        return found

    def put(self, program: ProgramId, key: bytes, value: bytes | None) -> None:
        """Writes, or removes for None."""
        self._writes.setdefault(program, SortedDict())[key] = value

    def scan(self, program: ProgramId, prefix: bytes, start: bytes, limit: int) -> ScanPage:
        """See ``HostServices.kv_scan``."""
        entries: list[tuple[bytes, bytes]] = []
        size = _PAGE_FRAMING
        visited = 0
        if limit == 0:
            return ScanPage((), 0)
        for key in self._keys(program, prefix, start):
            visited += 1
            value = self.get(program, key)
            if value is None:
                continue
            size += _ENTRY_FRAMING + len(key) + len(value)
            if size > MAX_SCAN_BYTES:
                break
            entries.append((key, value))
            if len(entries) == limit:
                break
        return ScanPage(tuple(entries), visited)

    def above(self) -> Layer:
        """A fresh layer over this one, for a called program."""
        return Layer(self._states, self)

    def commit(self) -> None:
        """Joins the layer below, if there is one."""
        if self._below is None:
            return
        for program, writes in self._writes.items():
            self._below._writes.setdefault(program, SortedDict()).update(writes)

    def writes(self) -> tuple[Write, ...]:
        """All writes of this layer, by program and key: the same whatever order they were made in."""
        return tuple(
            (program, key, value) for program in sorted(self._writes) for key, value in self._writes[program].items()
        )

    def _keys(self, program: ProgramId, prefix: bytes, start: bytes) -> Iterator[bytes]:
        """Distinct keys of all layers and the state with ``prefix``, after ``start``, ascending."""
        maps = [self._states.map_of(program)]
        layer: Layer | None = self
        while layer is not None:
            if program in layer._writes:
                maps.append(layer._writes[program])
            layer = layer._below
        least, is_inclusive = (start, False) if start and start >= prefix else (prefix, True)
        previous = None
        for key in heapq.merge(*(entries.irange(least, inclusive=(is_inclusive, True)) for entries in maps)):
            if not key.startswith(prefix):
                return
            if key != previous:
                yield key
            previous = key
