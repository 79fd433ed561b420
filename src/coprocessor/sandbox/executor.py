"""The executor's core: programs, their state in plaintext, and the execution of items. Sans-I/O.

It knows no chain and no keys but those of its programs; ``executor_process`` carries its messages. State stays here so
that a guest's read costs no round trip.

Rules enforced: items run in order, the writes of an ok item are seen by the next, a failing item leaves the state
untouched (PROTOCOL 5.1, 5.5). After an error that is not an outcome the executor refuses to go on, as its state may
lack writes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox.abi import CallFrame, FrameKind
from coprocessor.sandbox.activation import ActivatedCall, Program, run_item
from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.executor_messages import (
    Call,
    CallLog,
    CallOutcome,
    Done,
    EmittedEvent,
    Execute,
    Executed,
    ExecutorFailed,
    GuestLoaded,
    Item,
    ItemResult,
    Loaded,
    LoadFailed,
    LoadGuest,
    LoadProgram,
    Queried,
    Query,
    SetSecrets,
    SetState,
    StateWrite,
    Stop,
    UnloadProgram,
)
from coprocessor.sandbox.instance import LoadedProgram
from coprocessor.sandbox.loading import LoadedImage, load_image
from coprocessor.sandbox.outcome import Outcome
from coprocessor.sandbox.rules import RULES, Rules
from coprocessor.sandbox.state import ProgramStates
from coprocessor.sandbox.validation import PYTHON_PROFILE
from coprocessor.values.errors import CallerMisuse, CoprocessorError, GuestFailed, InternalError, MalformedInput
from coprocessor.values.identities import ProgramId
from coprocessor.values.limits import MAX_FUEL

__all__ = ["Executor", "Interrupter"]

_Kept = TypeVar("_Kept")
_COMMAND_KINDS: Final = (FrameKind.INIT, FrameKind.COMMAND, FrameKind.REQUEST)


class Interrupter(Protocol):
    """Ends queries whose deadline passes; the process has a clock, this core has none."""

    def within(self, milliseconds: int) -> AbstractContextManager[None]:
        """While inside, calls ``Engine.interrupt`` once the time is over."""


class _NoInterrupter:
    def within(self, milliseconds: int) -> AbstractContextManager[None]:
        return nullcontext()


class Executor:
    """Answers one message at a time, under one runtime for all its life. Must be used on a guest stack
    (``native_stack``)."""

    def __init__(self, engine: Engine, interrupter: Interrupter | None = None, rules: Rules = RULES) -> None:
        self._engine = engine
        self._rules = rules
        self._interrupter = interrupter or _NoInterrupter()
        self._guests: dict[str, CompiledModule] = {}
        self._programs: dict[ProgramId, Program] = {}
        self._states = ProgramStates()
        self._is_broken = False

    def handle(self, message: Any) -> Any:
        """The reply to one request of ``EXECUTOR_REQUESTS``; never raises a ``CoprocessorError``."""
        try:
            if self._is_broken:
                raise InternalError("executor.broken", "the executor failed before", next="restart it")
            return self._answer(message)
        except (MalformedInput, GuestFailed) as error:
            if isinstance(message, (LoadProgram, LoadGuest)):
                return LoadFailed(error.code, str(error))
            return ExecutorFailed(error.code, str(error), is_fatal=False)
        except CallerMisuse as error:
            return ExecutorFailed(error.code, str(error), is_fatal=False)
        except CoprocessorError as error:
            self._is_broken = True
            return ExecutorFailed(error.code, str(error), is_fatal=True)

    def _answer(self, message: Any) -> Any:
        if isinstance(message, Execute):
            return self._execute(message)
        if isinstance(message, Query):
            return self._query(message)
        if isinstance(message, SetState):
            self._known(message.program)
            self._states.replace(message.program, tuple((entry.key, entry.value) for entry in message.entries))
            return Done()
        if isinstance(message, LoadProgram):
            return self._load_program(message)
        if isinstance(message, LoadGuest):
            return self._load_guest(message)
        if isinstance(message, SetSecrets):
            return self._set_secrets(message)
        if isinstance(message, UnloadProgram):
            self._programs.pop(message.program, None)
            self._states.forget(message.program)
            return Done()
        if isinstance(message, Stop):
            return Done()
        raise MalformedInput("executor.message", f"{type(message).__name__} is no request")

    def _load_guest(self, message: LoadGuest) -> GuestLoaded:
        if message.language != "python":
            raise MalformedInput("executor.language", f"the language {message.language!r} has no interpreter")
        guest, compiled = None, None
        if message.compiled is not None:
            guest = self._reuse(lambda: self._engine.deserialize(message.compiled or b""))
        if guest is None and not message.wasm:
            raise CallerMisuse(
                "executor.guest_code", "the guest's native code does not fit this machine", next="send its module too"
            )
        if guest is None:
            guest = self._engine.compile(message.wasm, PYTHON_PROFILE)
            compiled = guest.serialize()
        self._guests[message.language] = guest
        return GuestLoaded(message.language, guest.digest, compiled)

    def _load_program(self, message: LoadProgram) -> Loaded:
        if message.language == "wasm":
            image, compiled, snapshot = self._load_raw(message)
        else:
            image, compiled, snapshot = self._load_interpreted(message)
        self._programs[message.program] = Program(
            identity=message.program,
            loaded=image.program,
            callees=frozenset(message.callees),
            application_secret=_secret(message.application_secret),
            account_secret=_secret(message.account_secret),
            query_account_secret=_secret(message.query_account_secret),
            private_owner=message.private_owner,
        )
        return Loaded(message.program, image.interface, image.fuel, compiled, snapshot)

    def _set_secrets(self, message: SetSecrets) -> Done:
        self._known(message.program)
        self._programs[message.program] = replace(
            self._programs[message.program],
            application_secret=_secret(message.application_secret),
            account_secret=_secret(message.account_secret),
            query_account_secret=_secret(message.query_account_secret),
        )
        return Done()

    def _load_raw(self, message: LoadProgram) -> tuple[LoadedImage, bytes | None, bytes | None]:
        if message.compiled is not None:
            module = self._reuse(lambda: self._engine.deserialize(message.compiled or b""))
            if module is not None and module.digest == sha256(message.code):
                return LoadedImage(LoadedProgram(module)), None, None
        module = self._engine.compile(message.code)
        return LoadedImage(LoadedProgram(module)), module.serialize(), None

    def _load_interpreted(self, message: LoadProgram) -> tuple[LoadedImage, bytes | None, bytes | None]:
        guest = self._guests.get(message.language)
        if guest is None:
            raise CallerMisuse(
                "executor.no_guest", f"no interpreter for {message.language} was given", next="LoadGuest"
            )
        if message.snapshot is not None:
            image = self._reuse(lambda: LoadedImage.deserialize(message.snapshot or b"", guest))
            if image is not None:
                return image, None, None
        image = load_image(guest, message.code, self._rules)
        return image, None, image.serialize()

    @staticmethod
    def _reuse(open_: Callable[[], _Kept]) -> _Kept | None:
        """What was kept, or None where it does not fit this machine: then it is made again, never a failure of the
        program (PROTOCOL 5.8)."""
        try:
            return open_()
        except MalformedInput:
            return None

    def _execute(self, message: Execute) -> Executed:
        for item in message.items:
            frame = _frame(message, item.call, item.position)
            if frame.kind not in _COMMAND_KINDS:
                raise CallerMisuse("executor.kind", f"an item cannot be of kind {frame.kind.name}")
            self._known(frame.program)
            _fuel(item.call)
        return Executed(message.link, tuple(self._run(message, item) for item in message.items))

    def _run(self, message: Execute, item: Item) -> ItemResult:
        frame = _frame(message, item.call, item.position)
        done = self._run_item(frame, item.call)
        self._states.apply(done.writes)
        writes = tuple(StateWrite(program, key, value) for program, key, value in done.writes)
        return ItemResult(item.position, _to_message(done.outcome), writes)

    def _query(self, message: Query) -> Queried:
        frame = _frame(message, message.call, 0)
        if frame.kind != FrameKind.QUERY:
            raise CallerMisuse("executor.kind", f"a query cannot be of kind {frame.kind.name}")
        self._known(frame.program)
        with self._interrupter.within(message.deadline_milliseconds):
            done = self._run_item(frame, message.call)
        return Queried(_to_message(done.outcome))

    def _run_item(self, frame: CallFrame, call: Call) -> ActivatedCall:
        return run_item(self._programs, self._states, frame, call.random_seed, _fuel(call), self._rules)

    def _known(self, program: ProgramId) -> None:
        if program not in self._programs:
            raise CallerMisuse("executor.program", f"program 0x{program.hex()} is not loaded", next="LoadProgram")


def _frame(message: Execute | Query, call: Call, position: int) -> CallFrame:
    if call.kind not in FrameKind.__members__.values():
        raise MalformedInput("executor.kind", f"kind {call.kind} is unknown")
    return CallFrame(
        kind=FrameKind(call.kind),
        selector=call.selector,
        caller=call.caller,
        program=call.program,
        origin=call.origin,
        request_id=call.request_id,
        block_number=message.block_number,
        timestamp=message.timestamp,
        link=message.link,
        position=position,
        chain_id=message.chain_id,
        arguments=call.arguments,
    )


def _fuel(call: Call) -> int:
    if call.fuel_limit > MAX_FUEL:
        raise MalformedInput("executor.fuel", f"a fuel limit of {call.fuel_limit}, the greatest is {MAX_FUEL}")
    return call.fuel_limit


def _secret(secret: bytes) -> bytes:
    if len(secret) != 32:
        raise MalformedInput("executor.secret", f"a secret has 32 bytes, not {len(secret)}")
    return secret


def _to_message(outcome: Outcome) -> CallOutcome:
    return CallOutcome(
        kind=int(outcome.kind),
        limit=int(outcome.limit or 0),
        status=int(outcome.status),
        fuel=outcome.fuel,
        result=outcome.result,
        message=outcome.message,
        events=tuple(EmittedEvent(event.program, event.name, event.data) for event in outcome.events),
        logs=tuple(CallLog(entry.program, entry.level, entry.text) for entry in outcome.logs),
    )
