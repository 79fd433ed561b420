"""A small guest that shows whether two paths to the engine behave alike.

It calls host functions that take and return buffers, sets off the common traps, grows its memory, and burns fuel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import wasmtime

from coprocessor.sandbox.faults import GuestFault, GuestTrap
from coprocessor.sandbox.instrumentation import DEPTH_EXPORT, GROWTH_EXPORT
from coprocessor.sandbox.rules import RULES

if TYPE_CHECKING:
    from coprocessor.sandbox.engine import Engine
    from coprocessor.sandbox.live import LiveInstance

__all__ = ["observe"]

_GUEST: Final = """
(module
  (import "phat" "kv_get" (func $get (param i32 i32) (result i64)))
  (import "phat" "kv_set" (func $set (param i32 i32 i32 i32)))
  (memory (export "memory") 1 2)
  (global $next (mut i32) (i32.const 1024))
  (func (export "phat_alloc") (param $length i32) (result i32)
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (local.get $length))))
  (func $recurse (call $recurse))
  (func (export "phat_call") (param $pointer i32) (param $length i32) (result i64)
    (local $command i32)
    (local.set $command (i32.load8_u (local.get $pointer)))
    (if (i32.eq (local.get $command) (i32.const 1)) (then (call $recurse)))
    (if (i32.eq (local.get $command) (i32.const 2)) (then (drop (i32.div_u (i32.const 1) (i32.const 0)))))
    (if (i32.eq (local.get $command) (i32.const 3)) (then (loop $forever (br $forever))))
    (if (i32.eq (local.get $command) (i32.const 4)) (then (drop (call $get (i32.const -8) (i32.const 16)))))
    (if (i32.eq (local.get $command) (i32.const 5)) (then (drop (memory.grow (i32.const 9)))))
    (call $set (local.get $pointer) (local.get $length) (local.get $pointer) (local.get $length))
    (call $get (local.get $pointer) (local.get $length))))
"""
_COMMANDS: Final = 6
_FUEL: Final = 10_000_000


class _EchoServices:
    """Just enough of a host: a map. The self-check asks for nothing else."""

    def __init__(self) -> None:
        self.rules = RULES
        self.entries: dict[bytes, bytes] = {}

    def kv_get(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def kv_set(self, key: bytes, value: bytes) -> None:
        self.entries[key] = value


def observe(engine: Engine) -> list[tuple[object, ...]]:
    """Everything observable about a few calls, for comparison. Must run on a guest stack."""
    compiled = engine.compile(bytes(wasmtime.wat2wasm(_GUEST)))
    return [_observe_call(compiled.instantiate(), bytes((command, 7, 8, 9))) for command in range(_COMMANDS)]


def _observe_call(live: LiveInstance, data: bytes) -> tuple[object, ...]:
    live.services = _EchoServices()  # type: ignore[assignment]
    outcome: object
    try:
        live.set_fuel(_FUEL)
        packed = live.pass_in(data)
        reply = live.call(packed >> 32, packed & 0xFFFFFFFF)
        outcome = live.read(reply >> 32, reply & 0xFFFFFFFF)
    except GuestTrap as trap:
        outcome = trap.kind
    except GuestFault as fault:
        outcome = fault.reason
    try:
        state = (live.get_global(DEPTH_EXPORT), live.get_global(GROWTH_EXPORT), live.memory_bytes())
        return (outcome, live.get_fuel(), *state)
    finally:
        live.close()
