"""Runs one call in a fresh instance and tells what it came to.

Rules enforced:

1. Each call gets its own instance; nothing of one call is left for the next (PROTOCOL 5.1).
2. Fuel is set after instantiation and after the snapshot is in place, so how an image gets into memory costs nothing.
3. Only fuel, memory, depth and sizes end a command (PROTOCOL 5.3). Where the native stack or the host's memory ended
   it, an InternalError leaves this module, and the caller MUST NOT make an outcome of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coprocessor.sandbox.abi import CallResult, ResultStatus
from coprocessor.sandbox.engine import CompiledModule
from coprocessor.sandbox.faults import ExhaustedLimit, GuestFault, GuestTrap, HostShortage, LimitExhausted, TrapKind
from coprocessor.sandbox.instrumentation import DEPTH_EXPORT, DEPTH_LIMIT, GROWTH_EXPORT, GrowthFlag
from coprocessor.sandbox.live import LiveInstance
from coprocessor.sandbox.outcome import Outcome, OutcomeKind
from coprocessor.sandbox.services import HostServices
from coprocessor.sandbox.snapshots import Snapshot
from coprocessor.values.errors import MalformedInput
from coprocessor.values.limits import MAX_OUTPUT_BYTES

__all__ = ["CallBudget", "LoadedProgram", "open_instance", "run_call", "run_on"]

_MAX_TRAP_MESSAGE: Final = 200


@dataclass(frozen=True, slots=True)
class LoadedProgram:
    """Code that is ready to be called: a compiled module and, for interpreters, the memory after loading the
    program."""

    module: CompiledModule
    snapshot: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class CallBudget:
    """What one call may use.

    Attributes:
        fuel: units that the guest and the host's work for it may burn.
        depth: native-stack weight of the programs that are active below it, 0 for the outermost call.
        is_interruptible: ``Engine.interrupt`` ends it; for queries only.
        output_bytes: greatest result buffer.
    """

    fuel: int
    depth: int = 0
    is_interruptible: bool = False
    output_bytes: int = MAX_OUTPUT_BYTES


def open_instance(program: LoadedProgram, is_interruptible: bool = False) -> LiveInstance:
    """A fresh instance with the program's memory in place. The caller MUST close it."""
    live = program.module.instantiate(is_interruptible)
    if program.snapshot is not None:
        try:
            program.module.restore(program.snapshot, live)
        except BaseException:
            live.close()
            raise
    return live


def run_call(program: LoadedProgram, frame: bytes, budget: CallBudget, services: HostServices) -> Outcome:
    """Calls a program in a fresh instance.

    Args:
        program: what to call.
        frame: an encoded call frame.
        budget: what it may use.
        services: the host's side.

    Returns:
        The outcome, without logs, which the services hold.

    Raises:
        HostShortage, InternalError: this machine failed; there is no outcome.
    """
    live = open_instance(program, budget.is_interruptible)
    try:
        return run_on(live, frame, budget, services)
    finally:
        live.close()


def run_on(live: LiveInstance, frame: bytes, budget: CallBudget, services: HostServices) -> Outcome:
    """Calls the guest of an instance that has not been called before, see ``run_call``."""
    live.services = services
    if budget.depth:
        live.set_global(DEPTH_EXPORT, budget.depth)
    live.set_fuel(budget.fuel)
    outcome: Outcome
    try:
        packed = live.pass_in(frame)
        reply = live.call(packed >> 32, packed & 0xFFFFFFFF)
        outcome = _read_result(live, reply, budget)
    except LimitExhausted as error:
        outcome = _exhausted(live, budget, error.limit)
    except GuestFault as error:
        outcome = _reverted(live, budget, error.reason)
    except GuestTrap as error:
        outcome = _explain_trap(live, budget, error.kind)
    if live.get_global(GROWTH_EXPORT) == GrowthFlag.REFUSED_BY_HOST:
        raise HostShortage(
            "sandbox.memory",
            "this machine refused a guest memory that its limit allows",
            next="give the worker more memory, then restart it; nothing was decided",
        )
    return outcome


def _read_result(live: LiveInstance, reply: int, budget: CallBudget) -> Outcome:
    pointer, length = reply >> 32, reply & 0xFFFFFFFF
    if length > budget.output_bytes:
        raise LimitExhausted(ExhaustedLimit.OUTPUT)
    try:
        result = CallResult.decode(live.read(pointer, length), budget.output_bytes)
    except MalformedInput as error:
        raise GuestFault(f"{error.what}: {error.why}") from error
    if result.status == ResultStatus.OK:
        return Outcome(OutcomeKind.OK, _used(live, budget), result=result.result, events=result.events)
    return Outcome(
        OutcomeKind.REVERTED, _used(live, budget), status=result.status, message=result.result.decode("utf-8")
    )


def _explain_trap(live: LiveInstance, budget: CallBudget, kind: TrapKind) -> Outcome:
    if kind is TrapKind.OUT_OF_FUEL:
        return _exhausted(live, budget, ExhaustedLimit.FUEL)
    if kind is TrapKind.INTERRUPT and budget.is_interruptible:
        return Outcome(
            OutcomeKind.INTERRUPTED, _used(live, budget), ResultStatus.REVERTED, message="the deadline passed"
        )
    if kind in (TrapKind.STACK_OVERFLOW, TrapKind.INTERRUPT):
        raise HostShortage(
            "sandbox.native_stack",
            f"{kind.words} ended a call that only deterministic limits may end",
            next="report it with the program's code; nothing was decided",
        )
    if kind is TrapKind.UNREACHABLE and live.get_global(DEPTH_EXPORT) > DEPTH_LIMIT:
        return _exhausted(live, budget, ExhaustedLimit.DEPTH)
    if live.get_global(GROWTH_EXPORT) == GrowthFlag.REFUSED_BY_LIMIT:
        return _exhausted(live, budget, ExhaustedLimit.MEMORY)
    return _reverted(live, budget, kind.words)


def _used(live: LiveInstance, budget: CallBudget) -> int:
    return budget.fuel - live.get_fuel()


def _exhausted(live: LiveInstance, budget: CallBudget, limit: ExhaustedLimit) -> Outcome:
    fuel = budget.fuel if limit is ExhaustedLimit.FUEL else _used(live, budget)
    message = f"the limit of {limit.words} was exhausted"
    return Outcome(OutcomeKind.EXHAUSTED, fuel, ResultStatus.REVERTED, limit, message=message)


def _reverted(live: LiveInstance, budget: CallBudget, why: str) -> Outcome:
    message = f"trap: {why}"[:_MAX_TRAP_MESSAGE]
    return Outcome(OutcomeKind.REVERTED, _used(live, budget), ResultStatus.REVERTED, message=message)
