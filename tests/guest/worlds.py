"""Two places where a contract can run: the SDK in this interpreter, and the packed guest in the sandbox.

The same tests run in both, so that what an author's own Python does is what the guest does.
"""

from __future__ import annotations

import copy
import json
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from coprocessor.sandbox.abi import CallFrame, CallResult, FrameKind
from coprocessor.sandbox.engine import CompiledModule
from coprocessor.sandbox.faults import GuestFault
from coprocessor.sandbox.instance import CallBudget, LoadedProgram, run_call
from coprocessor.sandbox.loading import load_image
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.rules import RULES
from coprocessor.sandbox.services import ScanPage
from coprocessor.values.errors import GuestFailed
from coprocessor.values.identities import Address, ProgramId, RequestId
from phat import canonical, frames
from phat.bundle import Bundle, encode_bundle
from phat.contract import Contract
from phat.dispatch import Dispatcher
from phat.errors import Refused
from phat.events import Event
from phat.keccak import selector
from phat.program import compile_contract
from tests.guest.fake_host import FakeHost

CALLER = bytes.fromhex("aa" * 20)
OTHER = bytes.fromhex("bb" * 20)
PROGRAM = bytes.fromhex("cc" * 32)
FUEL = 20_000_000_000

OK, REVERTED, UNKNOWN_METHOD, BAD_ARGUMENTS = range(4)


class LoadFailed(Exception):
    """The contract was refused; the message is what its author reads."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a call.

    Attributes:
        status: of guest ABI v1.
        result: bytes as the guest gave them, or the message.
    """

    status: int
    result: bytes
    events: list[tuple[str, Any]] = field(default_factory=list)
    fuel: int = 0

    @property
    def value(self) -> Any:
        """The JSON result of a call that succeeded."""
        assert self.status == OK, self.text
        return json.loads(self.result)

    @property
    def text(self) -> str:
        return self.result.decode()


class Loaded(Protocol):
    """A program that can be called."""

    interface: dict[str, Any]
    host: FakeHost

    def run(self, frame: CallFrame) -> Reply:
        """One call; state is kept as it was unless it succeeds."""
        ...


def send(program: Loaded, kind: FrameKind, method: str, arguments: bytes, **header: Any) -> Reply:
    """Calls a method with encoded arguments."""
    values: dict[str, Any] = {
        "caller": CALLER,
        "block_number": 1000,
        "timestamp": 1_700_000_000,
        "link": 7,
        "position": 3,
        "chain_id": 31337,
        **header,
    }
    frame = CallFrame(
        kind=kind,
        selector=selector(method),
        arguments=arguments,
        program=ProgramId(PROGRAM),
        caller=Address(values.pop("caller")),
        origin=Address(values.pop("origin", bytes(20))),
        request_id=RequestId(values.pop("request_id", bytes(32))),
        **values,
    )
    before = dict(program.host.state)
    program.host.begin()
    reply = program.run(frame)
    if reply.status != OK:
        program.host.state.clear()
        program.host.state.update(before)
    return reply


def command(program: Loaded, method: str, *arguments: Any, **header: Any) -> Reply:
    return send(program, FrameKind.COMMAND, method, canonical.encode(list(arguments)), **header)


def query(program: Loaded, method: str, *arguments: Any, **header: Any) -> Reply:
    return send(program, FrameKind.QUERY, method, canonical.encode(list(arguments)), **header)


def init(program: Loaded, *arguments: Any, **header: Any) -> Reply:
    return send(program, FrameKind.INIT, "init", canonical.encode(list(arguments)), **header)


def request(program: Loaded, method: str, data: bytes, **header: Any) -> Reply:
    return send(program, FrameKind.REQUEST, method, data, **header)


class World(Protocol):
    """Where contracts run."""

    def load(self, source: str) -> Loaded:
        """Loads a contract of one file. Raises LoadFailed."""
        ...


class HostWorld:
    """The SDK in this interpreter."""

    def load(self, source: str) -> Loaded:
        module = types.ModuleType("contract")
        sys.modules["contract"] = module
        try:
            exec(compile(source, "contract.py", "exec", dont_inherit=True), vars(module))
            values = list(vars(module).values())
            (kind,) = (v for v in values if isinstance(v, type) and issubclass(v, Contract) and v is not Contract)
            events = [v for v in values if isinstance(v, type) and issubclass(v, Event) and v is not Event]
            return _HostProgram(kind, events)
        except Refused as error:
            raise LoadFailed(str(error)) from error


class _HostProgram:
    def __init__(self, kind: type[Contract], events: list[type[Event]]) -> None:
        program = compile_contract(kind, events)
        self.interface: dict[str, Any] = json.loads(program.interface)
        self.host = FakeHost()
        self._dispatcher = Dispatcher(program, self.host, {"contract.py"})

    def run(self, frame: CallFrame) -> Reply:
        packed = self._dispatcher.handle(frames.parse_frame(frame.encode()))
        result = CallResult.decode(packed)
        return Reply(result.status, result.result, [(e.name, json.loads(e.data)) for e in result.events])


@dataclass(frozen=True, slots=True)
class GuestWorld:
    """The packed guest in the sandbox: a fresh instance for each call."""

    guest: CompiledModule

    def load(self, source: str) -> GuestProgram:
        return self.load_files({"contract.py": source})

    def load_files(self, files: Mapping[str, str], data: Mapping[str, bytes] | None = None) -> GuestProgram:
        return self.load_bundle(encode_bundle(Bundle("contract.py", files, data or {})))

    def load_bundle(self, packed: bytes) -> GuestProgram:
        try:
            image = run_on_guest_stack(load_image, self.guest, packed)
        except GuestFailed as error:
            raise LoadFailed(error.why) from error
        return GuestProgram(image.program, json.loads(image.interface), image.fuel)


class GuestProgram:
    """A snapshot that can be called."""

    def __init__(self, program: LoadedProgram, interface: dict[str, Any], fuel: int) -> None:
        self.program = program
        self.interface = interface
        self.load_fuel = fuel
        self.host = FakeHost()

    def run(self, frame: CallFrame, fuel: int = FUEL) -> Reply:
        services = _Services(self.host, is_query=frame.kind == FrameKind.QUERY)
        outcome = run_on_guest_stack(run_call, self.program, frame.encode(), CallBudget(fuel), services)
        events = [(event.name, json.loads(event.data)) for event in outcome.events]
        result = outcome.result if outcome.is_ok else outcome.message.encode()
        return Reply(outcome.status, result, events, outcome.fuel)


class _Services:
    """The sandbox's view of a ``FakeHost``."""

    def __init__(self, host: FakeHost, is_query: bool) -> None:
        self.rules = RULES
        self._host = host
        self._is_query = is_query
        self.kv_get = host.kv_get
        self.log = host.log
        self.derive_key = host.derive_key
        self.sign = host.sign
        self.random = host.random

    def kv_set(self, key: bytes, value: bytes) -> None:
        self._check()
        self._host.kv_set(key, value)

    def kv_delete(self, key: bytes) -> None:
        self._check()
        self._host.kv_delete(key)

    def kv_scan(self, prefix: bytes, start: bytes, limit: int) -> ScanPage:
        found = self._host.find(prefix, start, limit)
        return ScanPage(tuple(found), len(found))

    def call_program(self, program: bytes, payload: bytes, fuel: int, depth: int) -> tuple[bytes, int]:
        if self._host.answer_call is None:
            raise GuestFault("the program is not declared as a callee")
        return self._host.answer_call(program, payload), 1000

    def _check(self) -> None:
        if self._is_query:
            raise GuestFault("a query changes nothing")


def place(source: str, text: str) -> str:
    """How an error in the first line with ``text`` is located."""
    number = next(number for number, line in enumerate(source.splitlines(keepends=True), 1) if text in line)
    return f"(contract.py:{number})"


def snapshot_state(program: Loaded) -> dict[bytes, bytes]:
    """A copy of a program's state."""
    return copy.copy(program.host.state)
