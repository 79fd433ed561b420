"""Loading a source bundle into an interpreter, once, under fuel; what is kept is the snapshot and the interface.

A load sees no state, key, randomness or other program: its result is a function of the guest and the bundle alone, so
that every replica has the same image and the same fuel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from coprocessor.codec import cbor
from coprocessor.sandbox.abi import CallFrame, FrameKind
from coprocessor.sandbox.engine import CompiledModule
from coprocessor.sandbox.faults import ExhaustedLimit, GuestFault, LimitExhausted
from coprocessor.sandbox.instance import CallBudget, LoadedProgram, run_on
from coprocessor.sandbox.rules import RULES, Rules
from coprocessor.sandbox.services import ScanPage
from coprocessor.sandbox.snapshots import Snapshot, take_snapshot
from coprocessor.values.errors import GuestFailed, MalformedInput

__all__ = ["MAX_BUNDLE_BYTES", "MAX_INTERFACE_BYTES", "LoadedImage", "load_image"]

MAX_BUNDLE_BYTES: Final = 4 * 1024 * 1024
"""A source bundle as it is handed to the interpreter."""

MAX_INTERFACE_BYTES: Final = 256 * 1024
"""The interface that a load returns."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """A program with what its load returned.

    Attributes:
        program: ready to be called.
        interface: JSON, empty for raw WebAssembly.
        fuel: what the load took.
    """

    program: LoadedProgram
    interface: bytes = b""
    fuel: int = 0

    def serialize(self) -> bytes:
        """Bytes that MUST be sealed before they leave the enclave."""
        snapshot = self.program.snapshot
        return cbor.dumps([self.interface, self.fuel, snapshot.serialize() if snapshot else b""])

    @classmethod
    def deserialize(cls, data: bytes, guest: CompiledModule) -> LoadedImage:
        """Inverse of ``serialize``, for authenticated bytes. Raises MalformedInput, also for another guest's image."""
        content = cbor.loads(data)
        if not (
            isinstance(content, list)
            and [type(part) for part in content] == [bytes, int, bytes]
            and len(content[0]) <= MAX_INTERFACE_BYTES
        ):
            raise MalformedInput("sandbox.image", "the bytes are not a loaded program", next="load it again")
        snapshot = Snapshot.deserialize(content[2])
        if snapshot.module != guest.digest:
            raise MalformedInput("sandbox.image", "the program was loaded by another interpreter", next="load it again")
        return cls(LoadedProgram(guest, snapshot), content[0], content[1])


def load_image(guest: CompiledModule, bundle: bytes, rules: Rules = RULES) -> LoadedImage:
    """Loads a source bundle.

    Args:
        guest: the interpreter.
        bundle: as ``python_guest.bundle`` makes it, at most MAX_BUNDLE_BYTES.
        rules: of the runtime, among them the load's fuel.

    Raises:
        GuestFailed: the bundle does not load; the message is the program's own.
        MalformedInput: the bundle is too long.
    """
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise MalformedInput("sandbox.bundle", f"a bundle of {len(bundle)} bytes, the limit is {MAX_BUNDLE_BYTES}")
    frame = CallFrame(kind=FrameKind.LOAD, selector=bytes(4), arguments=bundle).encode()
    live = guest.instantiate()
    try:
        outcome = run_on(
            live, frame, CallBudget(rules.load_fuel, output_bytes=MAX_INTERFACE_BYTES), _LoadServices(rules)
        )
        if not outcome.is_ok:
            raise GuestFailed("program.load", "the program does not load", outcome.message)
        return LoadedImage(LoadedProgram(guest, take_snapshot(guest, live)), outcome.result, outcome.fuel)
    finally:
        live.close()


class _LoadServices:
    """A host that offers nothing but a log, which nobody reads."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._log_bytes = 0

    def log(self, level: int, text: bytes) -> None:
        self._log_bytes += len(text)
        if self._log_bytes > self.rules.log_bytes:
            raise LimitExhausted(ExhaustedLimit.LOG)

    def kv_get(self, key: bytes) -> bytes | None:
        _refuse()

    def kv_set(self, key: bytes, value: bytes) -> None:
        _refuse()

    def kv_delete(self, key: bytes) -> None:
        _refuse()

    def kv_scan(self, prefix: bytes, start: bytes, limit: int) -> ScanPage:
        _refuse()

    def derive_key(self, purpose: bytes) -> bytes:
        _refuse()

    def sign(self, digest: bytes) -> bytes:
        _refuse()

    def random(self, length: int) -> bytes:
        _refuse()

    def call_program(self, program: bytes, payload: bytes, fuel: int, depth: int) -> tuple[bytes, int]:
        _refuse()


def _refuse() -> NoReturn:
    raise GuestFault("while a program is loaded there is no state, key, randomness or other program")
