"""One item's execution: programs calling programs over layers of writes, with the meters that all of them share.

Rules enforced:

1. Randomness is a function of (seed, program, call index) (PROTOCOL 5.2).
2. Only declared callees are called, none that is active already, and at most so many programs at once as the rules say
   (PROTOCOL 5.4).
   Nobody calls the method ``upgrade`` (PROTOCOL 12).
3. A callee that fails leaves no writes and no events; its caller sees the status and goes on.
4. In queries nothing is written, and signatures come from another key (PROTOCOL 8.8).
5. Log and state-write limits count over the whole item, failed callees included.
6. Why private code failed and what it logged, its owner alone learns, as the author of the call (PROTOCOL 13).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.sandbox.abi import UPGRADE_SELECTOR, CallFrame, CallStatus, Event, FrameKind, ResultStatus
from coprocessor.sandbox.discretion import withhold_reason
from coprocessor.sandbox.drawn import derive_application_key, draw_random
from coprocessor.sandbox.faults import ExhaustedLimit, GuestFault, GuestTrap, LimitExhausted, TrapKind
from coprocessor.sandbox.instance import CallBudget, LoadedProgram, run_call
from coprocessor.sandbox.outcome import LogEntry, Outcome, OutcomeKind
from coprocessor.sandbox.rules import RULES, Rules
from coprocessor.sandbox.services import ScanPage
from coprocessor.sandbox.state import Layer, ProgramStates, Write
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, ProgramId, RequestId
from coprocessor.values.limits import MAX_EVENTS

__all__ = ["ActivatedCall", "Program", "run_item"]

_LOG_FRAMING: Final = 8
_SELECTOR_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Program:
    """A program as an executor holds it. Secrets are 32 bytes each; ``private_owner`` is None where the code is
    public."""

    identity: ProgramId
    loaded: LoadedProgram
    callees: frozenset[ProgramId]
    application_secret: bytes = field(repr=False)
    account_secret: bytes = field(repr=False)
    query_account_secret: bytes = field(repr=False)
    private_owner: Address | None = None


@dataclass(frozen=True, slots=True)
class ActivatedCall:
    """An item's outcome with its logs and, for ok, its writes."""

    outcome: Outcome
    writes: tuple[Write, ...]


@dataclass(slots=True)
class _Item:
    """What all activations of one item share."""

    programs: Mapping[ProgramId, Program]
    frame: CallFrame
    seed: bytes
    is_query: bool
    rules: Rules
    logs: list[LogEntry] = field(default_factory=list)
    log_bytes: int = 0
    written_bytes: int = 0
    random_calls: int = 0
    active: list[ProgramId] = field(default_factory=list)


def run_item(
    programs: Mapping[ProgramId, Program],
    states: ProgramStates,
    frame: CallFrame,
    seed: bytes,
    fuel: int,
    rules: Rules = RULES,
) -> ActivatedCall:
    """Runs one item, or one query where the frame's kind says so.

    Args:
        programs: all that are loaded; the frame's program is one of them.
        states: read only; the caller applies the writes.
        frame: the outermost call.
        seed: 32 bytes of randomness for this item.
        fuel: the item's limit.
        rules: prices and limits of the runtime.

    Raises:
        HostShortage, InternalError: this machine failed; nothing was decided.
    """
    is_query = frame.kind == FrameKind.QUERY
    item = _Item(programs, frame, seed, is_query, rules)
    layer = Layer(states)
    budget = CallBudget(fuel, is_interruptible=is_query)
    outcome = _Activation(item, programs[frame.program], layer).run(frame, budget)
    outcome = replace(outcome, logs=tuple(item.logs))
    return ActivatedCall(outcome, layer.writes() if outcome.is_ok else ())


class _Activation:
    """One program while it is called; the ``HostServices`` of its guest."""

    def __init__(self, item: _Item, program: Program, layer: Layer) -> None:
        self._item = item
        self.rules = item.rules
        self._program = program
        self._layer = layer
        self._callee_events: list[Event] = []
        self._is_discreet = not _may_know(program, item.frame)

    def run(self, frame: CallFrame, budget: CallBudget) -> Outcome:
        self._item.active.append(self._program.identity)
        try:
            outcome = run_call(self._program.loaded, frame.encode(), budget, self)
        finally:
            self._item.active.pop()
        if self._is_discreet:
            outcome = withhold_reason(outcome, self._program.loaded.snapshot is not None)
        if not outcome.is_ok:
            return outcome
        own = [Event(event.name, event.data, self._program.identity) for event in outcome.events]
        return self._with_events(outcome, own)

    def _with_events(self, outcome: Outcome, own: list[Event]) -> Outcome:
        events = (*self._callee_events, *own)
        if len(events) > MAX_EVENTS:
            return Outcome(
                OutcomeKind.EXHAUSTED,
                outcome.fuel,
                ResultStatus.REVERTED,
                ExhaustedLimit.OUTPUT,
                message=f"{len(events)} events, those of called programs included; the limit is {MAX_EVENTS}",
            )
        return replace(outcome, events=events)

    def kv_get(self, key: bytes) -> bytes | None:
        return self._layer.get(self._program.identity, key)

    def kv_set(self, key: bytes, value: bytes) -> None:
        self._count_write(len(key) + len(value))
        self._layer.put(self._program.identity, key, value)

    def kv_delete(self, key: bytes) -> None:
        self._count_write(len(key))
        self._layer.put(self._program.identity, key, None)

    def kv_scan(self, prefix: bytes, start: bytes, limit: int) -> ScanPage:
        return self._layer.scan(self._program.identity, prefix, start, limit)

    def log(self, level: int, text: bytes) -> None:
        self._item.log_bytes += _LOG_FRAMING + len(text)
        if self._item.log_bytes > self.rules.log_bytes:
            raise LimitExhausted(ExhaustedLimit.LOG)
        if not self._is_discreet:
            self._item.logs.append(LogEntry(self._program.identity, level, text))

    def derive_key(self, purpose: bytes) -> bytes:
        return derive_application_key(self._program.application_secret, purpose)

    def sign(self, digest: bytes) -> bytes:
        program = self._program
        return PrivateKey(program.query_account_secret if self._item.is_query else program.account_secret).sign(digest)

    def random(self, length: int) -> bytes:
        call = self._item.random_calls
        self._item.random_calls += 1
        return draw_random(self._item.seed, self._program.identity, call, length)

    def call_program(self, program: bytes, payload: bytes, fuel: int, depth: int) -> tuple[bytes, int]:
        identity = ProgramId(program)
        if identity not in self._program.callees:
            raise GuestFault("it calls a program that it does not declare")
        refusal = self._refusal(identity, payload[:_SELECTOR_BYTES])
        if refusal:
            return bytes((CallStatus.REFUSED,)) + refusal.encode("ascii"), 0
        layer = self._layer.above()
        callee = _Activation(self._item, self._item.programs[identity], layer)
        outer = self._item.frame
        frame = CallFrame(
            kind=FrameKind.INTERNAL,
            selector=payload[:_SELECTOR_BYTES],
            caller=Address(self._program.identity[-20:]),
            program=identity,
            origin=ZERO_ADDRESS,
            request_id=RequestId(ZERO_DIGEST),
            block_number=outer.block_number,
            timestamp=outer.timestamp,
            link=outer.link,
            position=outer.position,
            chain_id=outer.chain_id,
            arguments=payload[_SELECTOR_BYTES:],
        )
        outcome = callee.run(frame, CallBudget(fuel, depth, self._item.is_query))
        if outcome.kind is OutcomeKind.INTERRUPTED:
            raise GuestTrap(TrapKind.INTERRUPT)
        if outcome.is_ok:
            self._callee_events.extend(outcome.events)
            layer.commit()
        return _reply(outcome), outcome.fuel

    def _refusal(self, identity: ProgramId, selector: bytes) -> str:
        if selector == UPGRADE_SELECTOR:
            return "the method upgrade is run by the cluster alone"
        if identity in self._item.active:
            return "the program is active already"
        if len(self._item.active) >= self.rules.call_depth:
            return f"{self.rules.call_depth} programs are active already"
        if identity not in self._item.programs:
            return "the program is not loaded"
        return ""

    def _count_write(self, size: int) -> None:
        if self._item.is_query:
            raise GuestFault("a query cannot write state")
        self._item.written_bytes += size
        if self._item.written_bytes > self.rules.state_write_bytes:
            raise LimitExhausted(ExhaustedLimit.STATE)


def _may_know(program: Program, outermost: CallFrame) -> bool:
    """Rule 6: whoever reads this item's sealed output may see into the program. Requests have public outputs, and a
    program that calls another passes on what it is told."""
    if program.private_owner is None:
        return True
    is_sealed = outermost.kind in (FrameKind.COMMAND, FrameKind.QUERY)
    return is_sealed and outermost.program == program.identity and outermost.caller == program.private_owner


def _reply(outcome: Outcome) -> bytes:
    """What the caller gets: a status byte, then the result or the message."""
    if outcome.is_ok:
        return bytes((CallStatus.OK,)) + outcome.result
    status = CallStatus.EXHAUSTED if outcome.kind is OutcomeKind.EXHAUSTED else CallStatus(outcome.status)
    return bytes((status,)) + outcome.message.encode("utf-8")
