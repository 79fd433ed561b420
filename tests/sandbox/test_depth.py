"""The deterministic depth limit always bites before the native stack does (PROTOCOL 5.3)."""

from __future__ import annotations

import pytest
import wasmtime

from coprocessor.sandbox.abi import CallResult
from coprocessor.sandbox.engine import Engine, EngineOptions
from coprocessor.sandbox.faults import ExhaustedLimit, GuestTrap, TrapKind
from coprocessor.sandbox.instrumentation import DEPTH_EXPORT, DEPTH_LIMIT
from coprocessor.sandbox.live import LiveInstance
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.sandbox.validation import RAW_PROFILE
from tests.sandbox.recursion import SHAPES, recursive_guest
from tests.sandbox.scenes import call, execute, guest, make_executor, run

FUEL = 10_000_000_000
STACKS = {"1x": DEPTH_LIMIT, "2x": 2 * DEPTH_LIMIT, "4x": 4 * DEPTH_LIMIT}


@pytest.fixture(scope="module")
def engines() -> list[Engine]:
    """Engines that must not differ: two code generators, three sizes of the native stack."""
    return [
        Engine(EngineOptions(optimization=optimization, guest_stack_bytes=stack))
        for optimization in ("speed", "none")
        for stack in STACKS.values()
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_depth_limit_wins_everywhere_with_equal_fuel(engines: list[Engine], shape: str) -> None:
    wasm = recursive_guest(shape)
    outcomes = {run(make_executor(engine, wasm), fuel=FUEL) for engine in engines}
    assert len(outcomes) == 1
    outcome = outcomes.pop()
    assert (outcome.kind, outcome.limit) == (OutcomeKind.EXHAUSTED, ExhaustedLimit.DEPTH)
    assert 0 < outcome.fuel < FUEL


def _run_to_overflow(live: LiveInstance) -> TrapKind:
    pointer = live.pass_in(bytes(150)) >> 32
    live.set_fuel(FUEL)
    with pytest.raises(GuestTrap) as caught:
        live.call(pointer, 150)
    return caught.value.kind


@pytest.mark.parametrize("optimization", ["speed", "none"])
def test_weights_bound_the_native_stack(optimization: str) -> None:
    """With the limit out of the way, the counter has passed twice the native stack when that overflows."""
    stack = 1 << 20
    engine = Engine(EngineOptions(optimization=optimization, guest_stack_bytes=stack))
    for shape in SHAPES:
        live = engine.compile(recursive_guest(shape), depth_limit=1 << 30).instantiate()
        kind = _run_to_overflow(live)
        weight = live.get_global(DEPTH_EXPORT)
        live.close()
        assert kind in (TrapKind.STACK_OVERFLOW, TrapKind.UNREACHABLE), shape
        assert weight > 2 * stack, shape


def test_without_instrumentation_the_native_stack_decides() -> None:
    """What the rewriting is for: fuel at the overflow depends on stack size and code generator."""
    fuels = set()
    for optimization in ("speed", "none"):
        for stack in (1 << 20, 2 << 20):
            engine = Engine(EngineOptions(optimization=optimization, guest_stack_bytes=stack))
            module = wasmtime.Module(engine._engine, recursive_guest("10 live integers"))
            prepared = engine._backend.prepare(module, RAW_PROFILE.memory_bytes, RAW_PROFILE.table_elements)
            live = prepared.instantiate(is_interruptible=False)
            assert _run_to_overflow(live) is TrapKind.STACK_OVERFLOW
            fuels.add(live.get_fuel())
            live.close()
    assert len(fuels) == 4


WAYS_OUT = """
  (func $f (param $x i32) (result i32)
    (drop (call $leaf (i32.const 1)))
    (if (i32.eq (local.get $x) (i32.const 1)) (then (return (i32.const 101))))
    (if (i32.eq (local.get $x) (i32.const 2)) (then (br 1 (i32.const 102))))
    (loop (block (if (i32.eq (local.get $x) (i32.const 3)) (then (return (i32.const 103))))))
    (block (br_if 0 (i32.lt_u (local.get $x) (i32.const 5)))
      (br_table 1 1 (i32.const 105) (local.get $x)))
    (i32.const 104))
  (func $leaf (param $x i32) (result i32)
    (if (local.get $x) (then (return (i32.const 9)))) (i32.const 8))
  (func $nothing (param $x i32)
    (if (local.get $x) (then (drop (call $leaf (i32.const 0))) (return)))
    (call $nothing (i32.const 1)))
"""


def _ways_out_guest() -> bytes:
    """Returns a result of 6 bytes: what ``$f`` gave for 0 to 5."""
    stores = "\n".join(f"(i32.store8 (i32.const {1029 + index}) (call $f (i32.const {index})))" for index in range(6))
    body = f"(i32.store (i32.const 1025) (i32.const 6)) {stores} (call $nothing (i32.const 0))"
    return guest(body + "(return (i64.const 0x4000000000d))", WAYS_OUT)


def test_every_way_out_takes_the_weight_back(engine: Engine) -> None:
    compiled = engine.compile(_ways_out_guest())
    live = compiled.instantiate()
    pointer = live.pass_in(bytes(150)) >> 32
    reply = live.call(pointer, 150)
    assert live.get_global(DEPTH_EXPORT) == 0
    result = CallResult.decode(live.read(reply >> 32, reply & 0xFFFFFFFF)).result
    live.close()
    assert list(result) == [104, 101, 102, 103, 104, 105]


def test_called_programs_share_the_native_stack(engine: Engine) -> None:
    """A callee starts at its caller's depth, so that a chain of programs cannot add up limits."""
    counting = """
      (func $dig (param $left i32) (result i32)
        (if (i32.eqz (local.get $left)) (then (return (i32.const 0))))
        (i32.add (call $dig (i32.sub (local.get $left) (i32.const 1))) (i32.const 1)))"""
    callee = guest("(drop (call $dig (i32.const 40000)))", counting)
    caller = guest(
        "(call $deep (i32.load (i32.add (local.get $frame) (i32.const 150))))",
        """
      (data (i32.const 512) "\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02"
                            "\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02\\02")
      (func $deep (param $left i32) (local $reply i64)
        (if (i32.eqz (local.get $left))
          (then (local.set $reply (call $call (i32.const 512) (i32.const 600) (i32.const 4)))
                (call $kv_set (i32.const 600) (i32.const 1)
              (i32.wrap_i64 (i64.shr_u (local.get $reply) (i64.const 32))) (i32.const 1)))
          (else (call $deep (i32.sub (local.get $left) (i32.const 1))))))""",
    )
    executor = make_executor(engine, caller, callee)
    shallow, deep = execute(
        executor,
        call(arguments=(1).to_bytes(4, "little"), fuel=FUEL),
        call(arguments=(20000).to_bytes(4, "little"), fuel=FUEL),
    )
    assert shallow.writes[0].value == b"\x00"
    assert deep.outcome.kind == OutcomeKind.OK
    assert deep.writes[0].value == b"\x04"
