"""Snapshots: a loaded program as the memory pages that differ from its interpreter's fresh image.

A snapshot is exact only because memory is all that a load may leave behind: the module writes no table and drops no
segment, and every mutable global is back at its initial value. Both are checked when a snapshot is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox.engine import CompiledModule
from coprocessor.sandbox.instrumentation import DEPTH_EXPORT
from coprocessor.sandbox.live import LiveInstance
from coprocessor.values.errors import GuestFailed, MalformedInput
from coprocessor.values.limits import PYTHON_MEMORY_BYTES, WASM_PAGE_BYTES

T = TypeVar("T")

__all__ = ["SNAPSHOT_RECIPE", "Snapshot", "read_globals", "take_snapshot"]

SNAPSHOT_RECIPE: Final = "pages-1"
"""Part of the runtime id: what a snapshot holds decides fuel and results."""

_PAGE: Final = 4096
_CHUNK: Final = 256 * _PAGE
_MAX_SERIALIZED_BYTES: Final = 2 * PYTHON_MEMORY_BYTES


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A loaded program's memory, relative to a fresh instance of its module.

    Attributes:
        module: SHA-256 of the module as it was published.
        memory_bytes: size of the linear memory, whole WebAssembly pages.
        runs: (offset, bytes) of what differs, ascending, in pages of 4,096 bytes.
    """

    module: bytes
    memory_bytes: int
    runs: tuple[tuple[int, bytes], ...]

    def restore(self, live: LiveInstance) -> None:
        """Puts the memory into a fresh instance. Raises HostShortage."""
        live.grow_to(self.memory_bytes)
        for offset, data in self.runs:
            live.write(offset, data)

    @property
    def delta_bytes(self) -> int:
        """Bytes that a restore copies."""
        return sum(len(data) for _, data in self.runs)

    def serialize(self) -> bytes:
        """Self-describing bytes with a digest against accidents; they MUST be sealed before they leave the enclave."""
        body = cbor.dumps(
            {
                "recipe": SNAPSHOT_RECIPE,
                "module": self.module,
                "memory": self.memory_bytes,
                "runs": [[offset, data] for offset, data in self.runs],
            }
        )
        return sha256(body) + body

    @classmethod
    def deserialize(cls, data: bytes) -> Snapshot:
        """Inverse of ``serialize``. Raises MalformedInput for anything else."""
        if len(data) > _MAX_SERIALIZED_BYTES or sha256(data[32:]) != data[:32]:
            raise _malformed("its digest differs")
        content = cbor.loads(data[32:])
        try:
            if set(content) != {"recipe", "module", "memory", "runs"} or content["recipe"] != SNAPSHOT_RECIPE:
                raise _malformed("it follows another recipe")
            runs = tuple((_typed(offset, int), _typed(run, bytes)) for offset, run in content["runs"])
            snapshot = cls(_typed(content["module"], bytes), _typed(content["memory"], int), runs)
            snapshot._check()
        except (TypeError, ValueError) as error:
            raise _malformed(str(error)) from error
        return snapshot

    def _check(self) -> None:
        if len(self.module) != 32 or not 0 < self.memory_bytes <= PYTHON_MEMORY_BYTES:
            raise _malformed("a field is out of range")
        if self.memory_bytes % WASM_PAGE_BYTES:
            raise _malformed("its memory is not whole pages")
        end = 0
        for offset, data in self.runs:
            if offset < end or offset % _PAGE or not data or len(data) % _PAGE:
                raise _malformed("its runs are not ascending pages")
            end = offset + len(data)
        if end > self.memory_bytes:
            raise _malformed("a run is outside of its memory")


def read_globals(module: CompiledModule, live: LiveInstance) -> tuple[int, ...]:
    """Bits of the module's own mutable globals and of the depth counter."""
    return tuple(live.get_global(name) for name in (*module.global_exports, DEPTH_EXPORT))


def take_snapshot(module: CompiledModule, loaded: LiveInstance) -> Snapshot:
    """The snapshot of an instance whose call has returned.

    Args:
        module: whose instance it is.
        loaded: the instance, between calls.

    Raises:
        GuestFailed: the load left something behind that memory does not hold.
    """
    if not module.has_fixed_tables:
        raise GuestFailed(
            "guest.snapshot", "a module that writes tables or drops segments cannot be kept as a snapshot"
        )
    fresh = module.instantiate()
    try:
        if read_globals(module, loaded) != read_globals(module, fresh):
            raise GuestFailed("guest.snapshot", "loading left a global changed, which a snapshot does not hold")
        size, base_size = loaded.memory_bytes(), fresh.memory_bytes()
        runs: list[tuple[int, bytearray]] = []
        for start in range(0, size, _CHUNK):
            length = min(_CHUNK, size - start)
            after = loaded.read(start, length)
            known = max(0, min(length, base_size - start))
            before = fresh.read(start, known) + bytes(length - known)
            if after != before:
                _collect(runs, start, after, before)
    finally:
        fresh.close()
    return Snapshot(module.digest, size, tuple((offset, bytes(data)) for offset, data in runs))


def _collect(runs: list[tuple[int, bytearray]], start: int, after: bytes, before: bytes) -> None:
    for at in range(0, len(after), _PAGE):
        page = after[at : at + _PAGE]
        if page == before[at : at + _PAGE]:
            continue
        if runs and runs[-1][0] + len(runs[-1][1]) == start + at:
            runs[-1][1].extend(page)
        else:
            runs.append((start + at, bytearray(page)))


def _typed(value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where {kind.__name__} is due")
    return value


def _malformed(why: str) -> MalformedInput:
    return MalformedInput(
        "sandbox.snapshot", "the bytes are not a snapshot of this release", why, "load the program again"
    )
