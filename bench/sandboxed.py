"""The tokens in this process, without network: loaded, constructed, ready to be called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.network import TOKENS
from coprocessor.client.guest_cache import cached_guest
from coprocessor.protocol.commands import method_selector
from coprocessor.protocol.interface import Interface, parse_interface
from coprocessor.sandbox.abi import CallFrame, FrameKind
from coprocessor.sandbox.activation import ActivatedCall, Program, run_item
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.instance import LoadedProgram, open_instance
from coprocessor.sandbox.loading import load_image
from coprocessor.sandbox.python_guest import bundle
from coprocessor.sandbox.state import ProgramStates
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, ProgramId, RequestId

__all__ = ["OWNER", "RECIPIENT", "SandboxedToken", "load_python_token", "load_raw_token"]

OWNER = Address(b"\xa1" * 20)
RECIPIENT = Address(b"\xb2" * 20)
_PROGRAM = ProgramId(b"\x01" * 32)
_FUEL = 20_000_000_000


@dataclass(slots=True)
class SandboxedToken:
    """One token with its state; MUST be used on a guest stack."""

    loaded: LoadedProgram
    interface: Interface
    states: ProgramStates = field(default_factory=ProgramStates)

    def construct(self, init: dict[str, Any]) -> SandboxedToken:
        """Runs the constructor as the owner."""
        assert self.interface.init is not None
        arguments = self.interface.init.encode_arguments((), init)
        self._apply(self._run(FrameKind.INIT, "init", arguments))
        return self

    def transfer(self) -> None:
        """One token from the owner to the recipient, in a fresh instance, its writes applied."""
        method = self.interface.method("transfer", "command")
        arguments = method.encode_arguments(("0x" + RECIPIENT.hex(), 1), {})
        self._apply(self._run(FrameKind.COMMAND, "transfer", arguments))

    def instantiate(self) -> None:
        """A fresh instance and its end, without a call."""
        open_instance(self.loaded).close()

    def _apply(self, done: ActivatedCall) -> None:
        if not done.outcome.is_ok:
            raise RuntimeError(f"the token refused: {done.outcome.message}")
        self.states.apply(done.writes)

    def _run(self, kind: FrameKind, method: str, arguments: bytes) -> ActivatedCall:
        frame = CallFrame(
            kind=kind,
            selector=method_selector(method),
            caller=OWNER,
            program=_PROGRAM,
            origin=ZERO_ADDRESS,
            request_id=RequestId(ZERO_DIGEST),
            block_number=100,
            timestamp=1_800_000_000,
            link=1,
            position=0,
            chain_id=31337,
            arguments=arguments,
        )
        program = Program(_PROGRAM, self.loaded, frozenset(), bytes(32), b"\x01" * 32, b"\x02" * 32)
        return run_item({_PROGRAM: program}, self.states, frame, bytes(32), _FUEL)


def load_raw_token(engine: Engine) -> SandboxedToken:
    """The C token, constructed. On a guest stack."""
    token = TOKENS["raw"]
    described = token.path.with_name(f"{token.path.stem}.interface.json")
    loaded = LoadedProgram(engine.compile(token.path.read_bytes()))
    return SandboxedToken(loaded, parse_interface(described.read_bytes())).construct(token.init)


def load_python_token(engine: Engine) -> SandboxedToken:
    """The Python token, constructed. On a guest stack; compiles the interpreter where nothing is cached."""
    token = TOKENS["python"]
    guest = engine.deserialize(cached_guest().serialize())
    image = load_image(guest, bundle(token.path))
    return SandboxedToken(image.program, parse_interface(image.interface)).construct(token.init)
