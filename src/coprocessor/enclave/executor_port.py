"""The core's only way to run guest code: an executor that is asked and answers, and may die.

The core feeds an executor with guests, programs and state, and feeds a new one again when the old one died. What an
executor answers decides outcomes, so it stands inside the measured boundary.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from coprocessor.enclave.programs import Program
from coprocessor.sandbox.executor_messages import (
    Done,
    Execute,
    Executed,
    ExecutorFailed,
    GuestLoaded,
    Loaded,
    LoadFailed,
    LoadGuest,
    Queried,
    Query,
    SetState,
    StateEntry,
    UnloadProgram,
)
from coprocessor.sandbox.runtime import Runtime
from coprocessor.values.errors import CoprocessorError, InternalError
from coprocessor.values.identities import ProgramId

__all__ = ["MAX_DEATHS", "Executor", "ExecutorDied", "ExecutorPort"]

MAX_DEATHS = 3
"""Deaths in a row at one request after which the core stops (PROTOCOL 5.6)."""


class ExecutorDied(CoprocessorError):
    """The executor's process ended; nothing it was asked has happened."""

    family = "peer"


class ExecutorPort(Protocol):
    """What the loop gives to the core. One request at a time: each ``send`` is followed by its ``receive``."""

    def send(self, request: Any) -> None:
        """Starts a request of ``sandbox.executor_messages``. Raises ExecutorDied."""

    def receive(self) -> Any:
        """Waits for the reply to the request that was sent. Raises ExecutorDied."""

    def restart(self, runtime: Runtime) -> None:
        """A new, empty executor of this runtime."""


class Executor:
    """A fed executor: survives the death of the process behind the port, and takes another runtime by a new process.

    Args:
        port: the way to the process.
        runtime: of the process that the port starts with.
        guest_wasm: gives an interpreter's module by its digest; called when native code is not at hand.
        entries: gives the present state of a program, to feed a new executor.
    """

    def __init__(
        self,
        port: ExecutorPort,
        runtime: Runtime,
        guest_wasm: Callable[[bytes], bytes],
        entries: Callable[[ProgramId], dict[bytes, bytes]],
    ) -> None:
        self._port = port
        self._guest_wasm = guest_wasm
        self._entries = entries
        self._runtime = runtime
        self._native: dict[bytes, bytes] = {}  # native code by digest of its module: the same under each runtime
        self._languages: set[str] = set()
        self._programs: dict[ProgramId, Program] = {}

    @property
    def runtime(self) -> Runtime:
        """Under which it executes."""
        return self._runtime

    def switch(self, runtime: Runtime) -> None:
        """A new executor of another runtime, without programs: the caller MUST restore those that it goes on with."""
        self._runtime = runtime
        self._programs, self._languages = {}, set()
        self._port.restart(runtime)

    def native_code(self, digest: bytes) -> bytes | None:
        """Native code of an interpreter, where it is at hand."""
        return self._native.get(digest)

    def keep_native_code(self, digest: bytes, compiled: bytes) -> None:
        """Takes authenticated native code of an interpreter that a runtime to come needs (PROTOCOL 5.8)."""
        self._native.setdefault(digest, compiled)

    def prepare_guest(self, language: str, compiled: bytes | None) -> bytes | None:
        """Loads an interpreter of the present runtime; returns its native code where that was newly made."""
        if language in self._languages:
            return None
        digest = self._runtime.guest(language)
        compiled = compiled or self._native.get(digest)
        reply: Any = None
        if compiled is not None:
            reply = self._ask(LoadGuest(language, b"", compiled), (GuestLoaded, ExecutorFailed))
        if not isinstance(reply, GuestLoaded):  # nothing was kept, or it is not for this machine: made again
            compiled = None
            reply = self._ask(LoadGuest(language, self._guest_wasm(digest), None), GuestLoaded)
        if isinstance(reply, LoadFailed):
            raise InternalError("executor.guest", f"the {language} guest cannot be loaded: {reply.message}")
        native = reply.compiled or compiled
        if native is None or reply.digest != digest:
            raise InternalError("executor.guest", f"the executor has another {language} guest, or no native code of it")
        self._native[digest] = native
        self._languages.add(language)
        made: bytes | None = reply.compiled
        return made

    def load(self, program: Program) -> Loaded | LoadFailed:
        """Makes ``program`` callable, with an empty state."""
        assert program.package is not None
        if program.package.language == "python":
            self.prepare_guest("python", None)
        reply: Loaded | LoadFailed = self._ask(program.load_request(), Loaded)
        if isinstance(reply, Loaded):
            self._programs[program.origin.program] = program
        return reply

    def restore(self, program: Program) -> None:
        """Makes ``program`` callable with the state that it has by now, as a checkpoint brought it."""
        name = program.origin.program
        if isinstance(self.load(program), LoadFailed):
            raise InternalError("checkpoint.program", f"program 0x{name.hex()}, which ran before, does not load")
        self.give_state(name)

    def give_state(self, program: ProgramId) -> None:
        """Gives a loaded program the state that it has by now."""
        self._ask(self._state_of(program), Done)

    def rekey(self, program: Program) -> None:
        """Gives a loaded program the secrets of its present epoch."""
        if program.origin.program in self._programs:
            self._programs[program.origin.program] = program
            self._ask(program.secrets_request(), Done)

    def forget_epochs_before(self, epoch: int) -> None:
        """Erases older keys of every program (PROTOCOL 8.4); a new executor is fed with present ones anyway."""
        for name, program in self._programs.items():
            self._programs[name] = program.without_epochs_before(epoch)

    def unload(self, program: ProgramId) -> None:
        """Forgets a program that died: no other can call it, here or where a checkpoint left it out."""
        self._programs.pop(program, None)
        self._ask(UnloadProgram(program), Done)

    def execute(self, request: Execute) -> Executed:
        """Runs items of a link."""
        self.begin(request)
        return self.finish(request)

    def begin(self, request: Execute) -> None:
        """Starts items of a link.

        The caller MUST ``finish`` the same request before it asks for anything else, and before then apply the writes
        of all that was finished earlier: a new executor is fed with them.
        """
        with suppress(ExecutorDied):  # ``finish`` meets the death again, and mends it
            self._port.send(request)

    def finish(self, request: Execute) -> Executed:
        """Waits for the items that ``begin`` started."""
        reply: Executed = self._ask(request, Executed, has_begun=True)
        return reply

    def query(self, request: Query) -> Queried:
        """Runs a query."""
        reply: Queried = self._ask(request, Queried)
        return reply

    def _ask(self, request: Any, expected: type | tuple[type, ...], *, has_begun: bool = False) -> Any:
        for attempt in range(1, MAX_DEATHS + 1):
            try:
                if attempt > 1:
                    self._feed_again()
                if attempt > 1 or not has_begun:
                    self._port.send(request)
                reply = self._port.receive()
            except ExecutorDied:
                continue
            if isinstance(reply, ExecutorFailed) and reply.is_fatal:
                continue
            if isinstance(reply, (expected, LoadFailed)):
                return reply
            raise _unexpected(request, reply)
        raise InternalError(
            "executor.poison",
            f"the executor died {MAX_DEATHS} times at one {type(request).__name__}",
            "the guest or the engine aborts the process",
            "the cluster's other members must agree to skip the link",
        )

    def _feed_again(self) -> None:
        self._port.restart(self._runtime)
        for language in sorted(self._languages):
            native = self._native[self._runtime.guest(language)]
            self._expect(LoadGuest(language, b"", native), GuestLoaded)
        for identifier, program in self._programs.items():
            self._expect(program.load_request(), Loaded)
            self._expect(self._state_of(identifier), Done)

    def _state_of(self, program: ProgramId) -> SetState:
        entries = sorted(self._entries(program).items())
        return SetState(program, tuple(StateEntry(key, value) for key, value in entries))

    def _expect(self, request: Any, kind: type) -> None:
        self._port.send(request)
        reply = self._port.receive()
        if not isinstance(reply, kind):
            raise _unexpected(request, reply)


def _unexpected(request: Any, reply: Any) -> InternalError:
    """Names of messages alone: their contents may be secret, and the host reads this."""
    return InternalError("executor.reply", f"{type(request).__name__} was answered by {type(reply).__name__}")
