"""One program in the real sandbox, called by the names and values that a developer uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from coprocessor.protocol.interface import Interface, parse_interface
from coprocessor.sandbox.abi import FrameKind, compute_selector
from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import (
    Call,
    CallOutcome,
    Execute,
    Executed,
    GuestLoaded,
    Item,
    Loaded,
    LoadGuest,
    LoadProgram,
    Queried,
    Query,
    StateWrite,
)
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.sandbox.package import CodePackage
from coprocessor.sandbox.project import build_package
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, ProgramId, RequestId
from tests.support.wasm import ROOT

T = TypeVar("T")

EXAMPLES = ROOT / "examples"
FUEL = 20_000_000_000
REQUEST = RequestId(b"\x09" * 32)
SECRET = b"\x51" * 32
CHAIN = 31337
NOW = 1_700_000_000
DEADLINE = 10_000


def account(number: int) -> Address:
    """An account that is nobody's: 20 times the same byte."""
    return Address(bytes((number,)) * 20)


OWNER, ALICE, BOB, CAROL, HOUSE = (account(number) for number in (0xA0, 0xA1, 0xA2, 0xA3, 0xC0))


class Failed(Exception):
    """A call that was not ok; the text is the program's."""

    def __init__(self, outcome: CallOutcome) -> None:
        super().__init__(f"{OutcomeKind(outcome.kind).name}: {outcome.message}")
        self.outcome = outcome


@contextmanager
def refused(message: str) -> Iterator[None]:
    """Expects the program itself to refuse with exactly this message, wherever in its code."""
    with pytest.raises(Failed) as caught:
        yield
    said = caught.value.outcome.message
    assert caught.value.outcome.kind == OutcomeKind.REVERTED
    assert said.removeprefix("Error: ").rsplit(" (", 1)[0] == message


@dataclass(slots=True)
class Scene:
    """A program and the chain around it.

    Attributes:
        now: timestamp of the next link, seconds.
        last: outcome of the last call.
        writes: what the last command wrote.
    """

    executor: Executor
    program: ProgramId
    interface: Interface
    now: int = NOW
    link: int = 0
    last: CallOutcome | None = None
    writes: tuple[StateWrite, ...] = field(default=())

    def call(self, method: str, *arguments: Any, author: Address = OWNER, fuel: int = FUEL) -> Any:
        """One command in a link of its own; its result. Raises Failed."""
        return self.batch((author, method, *arguments), fuel=fuel)[0]

    def batch(self, *commands: tuple[Any, ...], fuel: int = FUEL) -> list[Any]:
        """One link of commands (author, method, arguments...); their results. Raises Failed for the first failure."""
        calls = [
            self._named(FrameKind.COMMAND, method, arguments, author, fuel) for author, method, *arguments in commands
        ]
        outcomes = self._execute(*calls)
        return [self._value(command[1], outcome) for command, outcome in zip(commands, outcomes, strict=True)]

    def request(self, method: str, origin: Address, arguments: bytes = b"") -> bytes:
        """What a smart contract gets; Ethereum ABI. Raises Failed."""
        call = self._call(FrameKind.REQUEST, compute_selector(method), origin, arguments)
        (outcome,) = self._execute(replace(call, origin=origin, request_id=REQUEST))
        return _expect_ok(outcome)

    def query(self, method: str, *arguments: Any, caller: Address = ZERO_ADDRESS) -> Any:
        """A query's result; without ``caller`` it is unsigned. Raises Failed."""
        call = self._named(FrameKind.QUERY, method, arguments, caller, FUEL)
        reply = self._handle(Query(CHAIN, 100 + self.link, self.now, self.link, call, DEADLINE))
        assert isinstance(reply, Queried), reply
        return self._value(method, reply.outcome)

    def init(self, owner: Address, named: dict[str, Any]) -> None:
        """Runs the constructor, if there is one. Raises Failed."""
        method = self.interface.init
        if method is None:
            return
        (outcome,) = self._execute(
            self._call(FrameKind.INIT, method.selector, owner, method.encode_arguments((), named))
        )
        _expect_ok(outcome)

    def _execute(self, *calls: Call) -> list[CallOutcome]:
        self.link += 1
        items = tuple(Item(position, call) for position, call in enumerate(calls))
        reply = self._handle(Execute(CHAIN, 100 + self.link, self.now, self.link, items))
        assert isinstance(reply, Executed), reply
        self.writes = tuple(write for result in reply.results for write in result.writes)
        self.last = reply.results[-1].outcome
        return [result.outcome for result in reply.results]

    def _named(self, kind: FrameKind, name: str, arguments: Any, caller: Address, fuel: int) -> Call:
        method = self.interface.method(name)
        return self._call(kind, method.selector, caller, method.encode_arguments(arguments), fuel)

    def _call(self, kind: FrameKind, selector: bytes, caller: Address, arguments: bytes, fuel: int = FUEL) -> Call:
        return Call(
            program=self.program,
            kind=kind,
            selector=selector,
            caller=caller,
            origin=ZERO_ADDRESS,
            request_id=RequestId(ZERO_DIGEST),
            arguments=arguments,
            fuel_limit=fuel,
            random_seed=bytes(32),
        )

    def _value(self, method: str, outcome: CallOutcome) -> Any:
        self.last = outcome
        return self.interface.method(method).decode_result(_expect_ok(outcome))

    def _handle(self, message: Any) -> Any:
        return run_on_guest_stack(self.executor.handle, message)


def _expect_ok(outcome: CallOutcome) -> bytes:
    if outcome.kind != OutcomeKind.OK:
        raise Failed(outcome)
    return outcome.result


@dataclass(frozen=True, slots=True)
class _Ready:
    """A packed example, and the snapshot of its first load for later ones."""

    package: CodePackage
    interface: Interface
    snapshot: bytes | None = None


class Theatre:
    """Where scenes play: one executor with the CPython guest; each example is packed and loaded from source once."""

    def __init__(self, engine: Engine, guest: CompiledModule) -> None:
        self._guest = guest
        self._executor = Executor(engine)
        self._ready: dict[Path, _Ready] = {}
        self._opened = 0
        self._load(LoadGuest("python", b"", guest.serialize()), GuestLoaded)

    def interface(self, path: str | Path) -> Interface:
        """What the example at ``path`` offers."""
        return self._prepare(path).interface

    def open(self, path: str | Path, owner: Address = OWNER, **init: Any) -> Scene:
        """Loads the example at ``path`` as a new program and runs its constructor. Raises Failed."""
        ready = self._prepare(path)
        self._opened += 1
        program = ProgramId(self._opened.to_bytes(32))
        message = LoadProgram(
            program, ready.package.language, ready.package.payload, (), SECRET, SECRET, SECRET, snapshot=ready.snapshot
        )
        loaded = self._load(message, Loaded)
        if ready.snapshot is None:
            self._ready[EXAMPLES / path] = replace(ready, snapshot=loaded.snapshot)
        scene = Scene(self._executor, program, ready.interface)
        scene.init(owner, init)
        return scene

    def _prepare(self, path: str | Path) -> _Ready:
        """Packs an example as ``phat deploy`` does."""
        target = EXAMPLES / path
        if target not in self._ready:
            package = build_package(target, lambda: self._guest)
            self._ready[target] = _Ready(package, parse_interface(package.interface))
        return self._ready[target]

    def _load(self, message: Any, expected: type[T]) -> T:
        reply = run_on_guest_stack(self._executor.handle, message)
        assert isinstance(reply, expected), reply
        return reply
