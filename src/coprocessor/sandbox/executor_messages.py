"""What the enclave core and an executor say to each other.

Frozen records with one canonical encoding (``codec.records``), length-prefixed on the socket by four bytes, big-endian.
Secrets are left out of every ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from coprocessor.codec.records import RecordTable
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, ProgramId, RequestId
from coprocessor.values.limits import MAX_CALLEES

__all__ = [
    "EXECUTOR_REPLIES",
    "EXECUTOR_REQUESTS",
    "LANGUAGES",
    "MAX_EXECUTOR_MESSAGE",
    "Call",
    "CallLog",
    "CallOutcome",
    "Done",
    "EmittedEvent",
    "Execute",
    "Executed",
    "ExecutorFailed",
    "GuestLoaded",
    "Item",
    "ItemResult",
    "LoadFailed",
    "LoadGuest",
    "LoadProgram",
    "Loaded",
    "Queried",
    "Query",
    "SetSecrets",
    "SetState",
    "StateEntry",
    "StateWrite",
    "Stop",
    "UnloadProgram",
]

MAX_EXECUTOR_MESSAGE: Final = 512 * 1024 * 1024
"""Bytes of one message; the state of a program and the CPython guest's native code must fit."""

LANGUAGES: Final = ("wasm", "python")


@dataclass(frozen=True, slots=True)
class LoadGuest:
    """Gives the executor an interpreter, which programs of that language share.

    Attributes:
        language: ``python``.
        wasm: the guest module; may be empty where ``compiled`` is given.
        compiled: authenticated native code of an earlier ``GuestLoaded``, or None.
    """

    language: str
    wasm: bytes = field(repr=False)
    compiled: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GuestLoaded:
    """The interpreter is ready.

    Attributes:
        digest: SHA-256 of the guest module.
        compiled: native code to seal and keep, only where it was newly made.
    """

    language: str
    digest: bytes
    compiled: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LoadProgram:
    """Makes a program callable.

    Attributes:
        language: one of LANGUAGES.
        code: the WebAssembly module or the source bundle.
        compiled: authenticated native code of an earlier ``Loaded`` (raw WebAssembly), or None.
        snapshot: authenticated snapshot of an earlier ``Loaded`` (interpreters), or None.
        private_owner: owner of private code, who alone reads why a call failed and what it logged; None where the code
            is public.
        callees: programs it may call, as declared at instantiation (PROTOCOL 5.4).
        application_secret: 32 bytes, root of ``derive_key``.
        account_secret: 32 bytes, the key of ``sign`` in commands.
        query_account_secret: 32 bytes, the key of ``sign`` in queries (PROTOCOL 8.8).
    """

    program: ProgramId
    language: str
    code: bytes = field(repr=False)
    callees: tuple[ProgramId, ...]
    application_secret: bytes = field(repr=False)
    account_secret: bytes = field(repr=False)
    query_account_secret: bytes = field(repr=False)
    compiled: bytes | None = field(default=None, repr=False)
    snapshot: bytes | None = field(default=None, repr=False)
    private_owner: Address | None = None

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise MalformedInput("executor.language", f"the language {self.language!r} is not one of {LANGUAGES}")
        if len(self.callees) > MAX_CALLEES:
            raise MalformedInput("executor.callees", f"{len(self.callees)} callees, the limit is {MAX_CALLEES}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The program is callable.

    Attributes:
        interface: JSON that the interpreter's load returned; empty for raw WebAssembly.
        fuel: what loading took, equal on every replica; 0 for raw WebAssembly.
        compiled, snapshot: to seal and keep, only where they were newly made.
    """

    program: ProgramId
    interface: bytes = field(repr=False)
    fuel: int
    compiled: bytes | None = field(default=None, repr=False)
    snapshot: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The code cannot be a program; deterministic."""

    code: str
    message: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetSecrets:
    """A new epoch's secrets of a loaded program, 32 bytes each as in ``LoadProgram`` (PROTOCOL 8.3)."""

    program: ProgramId
    application_secret: bytes = field(repr=False)
    account_secret: bytes = field(repr=False)
    query_account_secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnloadProgram:
    """Forgets a program, its state and its secrets."""

    program: ProgramId


@dataclass(frozen=True, slots=True)
class StateEntry:
    """One entry of a program's state, in plaintext."""

    key: bytes = field(repr=False)
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetState:
    """Replaces the whole state of a program."""

    program: ProgramId
    entries: tuple[StateEntry, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """What to call, by whom, with what.

    Attributes:
        kind: a ``FrameKind``: init, command, query or request.
        selector: 4 bytes.
        origin, request_id: of a request, else zero.
        fuel_limit: units.
        random_seed: 32 bytes, PRF(epoch secret, link hash, position, program) (PROTOCOL 5.2).
    """

    program: ProgramId
    kind: int
    selector: bytes
    caller: Address
    origin: Address
    request_id: RequestId
    arguments: bytes = field(repr=False)
    fuel_limit: int
    random_seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a link."""

    position: int
    call: Call


@dataclass(frozen=True, slots=True)
class Execute:
    """Runs the items of one link, in order.

    Attributes:
        timestamp: seconds.
        link: index of the link.
    """

    chain_id: int
    block_number: int
    timestamp: int
    link: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Runs one call that cannot change state.

    Attributes:
        link: the last executed link.
        deadline_milliseconds: after which the call is ended.
    """

    chain_id: int
    block_number: int
    timestamp: int
    link: int
    call: Call
    deadline_milliseconds: int


@dataclass(frozen=True, slots=True)
class EmittedEvent:
    """An event and the program that emitted it."""

    program: ProgramId
    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallLog:
    """A log line and the program that wrote it."""

    program: ProgramId
    level: int
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a call came to.

    Attributes:
        kind: an ``OutcomeKind``.
        limit: an ``ExhaustedLimit``, or 0.
        status: a ``ResultStatus``.
        fuel: units taken.
        result: for ok.
        message: for everything else.
        events: for ok.
        logs: also of failed calls.
    """

    kind: int
    limit: int
    status: int
    fuel: int
    result: bytes = field(repr=False)
    message: str = field(repr=False)
    events: tuple[EmittedEvent, ...]
    logs: tuple[CallLog, ...]


@dataclass(frozen=True, slots=True)
class StateWrite:
    """A change of state; None removes the key."""

    program: ProgramId
    key: bytes = field(repr=False)
    value: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item's outcome and, for ok, its writes by program and key."""

    position: int
    outcome: CallOutcome
    writes: tuple[StateWrite, ...]


@dataclass(frozen=True, slots=True)
class Executed:
    """All items of an ``Execute``, in its order."""

    link: int
    results: tuple[ItemResult, ...]


@dataclass(frozen=True, slots=True)
class Queried:
    """A query's outcome."""

    outcome: CallOutcome


@dataclass(frozen=True, slots=True)
class Done:
    """``SetState``, ``UnloadProgram`` or ``Stop`` was done."""


@dataclass(frozen=True, slots=True)
class ExecutorFailed:
    """The executor could not do what it was asked, and nothing was decided.

    Attributes:
        is_fatal: its state may be half-way; it stops, and MUST be restarted and fed again.
    """

    code: str
    message: str
    is_fatal: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the executor's process."""


EXECUTOR_REQUESTS: Final = RecordTable(
    (LoadGuest, LoadProgram, SetSecrets, UnloadProgram, SetState, Execute, Query, Stop), MAX_EXECUTOR_MESSAGE
)
EXECUTOR_REPLIES: Final = RecordTable(
    (GuestLoaded, Loaded, LoadFailed, Executed, Queried, Done, ExecutorFailed), MAX_EXECUTOR_MESSAGE
)
