"""Guests that attack the host through pointers, lengths, sizes, floods and loops."""

from __future__ import annotations

import pytest

from coprocessor.sandbox.abi import FrameKind
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.faults import ExhaustedLimit
from coprocessor.sandbox.outcome import OutcomeKind
from tests.sandbox.scenes import FUEL, call, execute, guest, make_executor, program_id, query, run

OUTSIDE = {
    "end of memory": ("(i32.const 131071)", "(i32.const 2)"),
    "far outside": ("(i32.const 0x7fffffff)", "(i32.const 16)"),
    "negative pointer": ("(i32.const -1)", "(i32.const 1)"),
    "sum passes 32 bits": ("(i32.const -16)", "(i32.const 32)"),
}
TAKERS = {
    "kv_get": "(drop (call $kv_get {at} {length}))",
    "kv_set key": "(call $kv_set {at} {length} (i32.const 0) (i32.const 1))",
    "kv_set value": "(call $kv_set (i32.const 0) (i32.const 1) {at} {length})",
    "kv_delete": "(call $kv_delete {at} {length})",
    "kv_scan prefix": "(drop (call $kv_scan {at} {length} (i32.const 0) (i32.const 0) (i32.const 1)))",
    "kv_scan start": "(drop (call $kv_scan (i32.const 0) (i32.const 0) {at} {length} (i32.const 1)))",
    "log": "(call $log (i32.const 1) {at} {length})",
    "derive_key": "(drop (call $derive_key {at} {length}))",
    "sign": "(drop (call $sign {at} (i32.const 32)))",
    "call program": "(drop (call $call {at} (i32.const 0) (i32.const 4)))",
    "call input": "(drop (call $call (i32.const 0) {at} (i32.const 131071)))",
}


def _message(engine: Engine, body: str, **more: str) -> str:
    outcome = run(make_executor(engine, guest(body, **more)))
    assert outcome.kind == OutcomeKind.REVERTED
    return outcome.message


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("where", OUTSIDE)
def test_pointers_outside_memory_trap(engine: Engine, taker: str, where: str) -> None:
    at, length = OUTSIDE[where]
    assert "outside of its memory" in _message(engine, TAKERS[taker].format(at=at, length=length))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("(drop (call $kv_get (i32.const 0) (i32.const 0)))", "a key has 1 to 1024 bytes, not 0"),
        ("(drop (call $kv_get (i32.const 0) (i32.const -5)))", "a key has 1 to 1024 bytes, not 4294967291"),
        ("(call $kv_delete (i32.const 0) (i32.const 1025))", "a key has 1 to 1024 bytes, not 1025"),
        ("(call $kv_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 65537))", "a value has at most 65536"),
        ("(call $kv_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const -1))", "a value has at most 65536"),
        (
            "(drop (call $kv_scan (i32.const 0) (i32.const 1025) (i32.const 0) (i32.const 0) (i32.const 1)))",
            "1024 bytes",
        ),
        ("(call $log (i32.const 4) (i32.const 0) (i32.const 1))", "log level 4 is unknown"),
        ("(call $log (i32.const -1) (i32.const 0) (i32.const 1))", "is unknown"),
        ("(drop (call $derive_key (i32.const 0) (i32.const 1025)))", "purpose has at most 1024"),
        ("(drop (call $sign (i32.const 0) (i32.const 31)))", "has 32 bytes, not 31"),
        ("(drop (call $random (i32.const 1025)))", "at most 1024 bytes, not 1025"),
        ("(drop (call $random (i32.const -1)))", "at most 1024 bytes"),
        ("(drop (call $call (i32.const 0) (i32.const 0) (i32.const 3)))", "4 to 131076 bytes, not 3"),
        ("(drop (call $call (i32.const 0) (i32.const 0) (i32.const 4)))", "a program that it does not declare"),
        ("(drop (i32.load (i32.const 0x7fffffff)))", "trap: memory out of bounds"),
        ("unreachable", "trap: unreachable"),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", "trap: integer division by zero"),
        ("(drop (i32.trunc_f64_s (f64.const nan)))", "trap: bad conversion to integer"),
    ],
)
def test_broken_calls_trap_with_their_reason(engine: Engine, body: str, words: str) -> None:
    assert words in _message(engine, body)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("(i64.const 0xffffffff00000007)", "outside of its memory"),
        ("(i64.const 0x0001fffb00000007)", "outside of its memory"),
        ("(i64.const 0)", "ends inside a field"),
        ("(i64.const 0x40000000006)", "ends inside a field"),
        ("(i64.const 0x40000000008)", "1 bytes after the last event"),
    ],
)
def test_malformed_results_revert(engine: Engine, result: str, words: str) -> None:
    assert words in _message(engine, f"(return {result})")


@pytest.mark.parametrize(
    ("stores", "words"),
    [
        ("(i32.store8 (i32.const 1024) (i32.const 4))", "status 4 is unknown"),
        ("(i32.store8 (i32.const 1029) (i32.const 65))", "65 events, the limit is 64"),
        ("(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1025) (i32.const 1))"
         "(i32.store8 (i32.const 1029) (i32.const 0xff)) (return (i64.const 0x40000000008))", "not UTF-8"),
        ("(i32.store8 (i32.const 1029) (i32.const 1)) (return (i64.const 0x4000000000d))", "an event's name is"),
    ],
)  # fmt: skip
def test_malformed_result_buffers_revert(engine: Engine, stores: str, words: str) -> None:
    assert words in _message(engine, stores)


ALLOCATORS = {
    "null": ("(i32.const 0)", "phat_alloc returned null"),
    "outside": ("(i32.const 131070)", "outside of its memory"),
    "negative": ("(i32.const -4)", "outside of its memory"),
    "trap": ("unreachable", "trap: unreachable"),
    "calls the host": (
        "(drop (call $random (i32.const 1))) (i32.const 64)",
        "phat_alloc called a function of the host",
    ),
}


@pytest.mark.parametrize("name", ALLOCATORS)
def test_hostile_allocators(engine: Engine, name: str) -> None:
    body, words = ALLOCATORS[name]
    allocator = f"""(func (export "phat_alloc") (param i32) (result i32) {body})"""
    assert words in _message(engine, "", allocator=allocator)


@pytest.mark.parametrize("name", ALLOCATORS)
def test_allocator_that_turns_hostile_inside_a_host_function(engine: Engine, name: str) -> None:
    body, words = ALLOCATORS[name]
    allocator = f"""(global $calls (mut i32) (i32.const 0))
      (func (export "phat_alloc") (param i32) (result i32)
        (if (i32.eqz (global.get $calls)) (then (global.set $calls (i32.const 1)) (return (i32.const 65536))))
        {body})"""
    assert words in _message(engine, "(drop (call $derive_key (i32.const 0) (i32.const 1)))", allocator=allocator)


FLOODS = {
    ExhaustedLimit.FUEL: "(loop $again (br $again))",
    ExhaustedLimit.OUTPUT: "(return (i64.const 0x40000010001))",
    ExhaustedLimit.LOG: "(loop $again (call $log (i32.const 1) (i32.const 0) (i32.const 1000)) (br $again))",
    ExhaustedLimit.STATE: """(loop $again
        (call $kv_set (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 65536)) (br $again))""",
    ExhaustedLimit.MEMORY: """(loop $again
        (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable""",
}


@pytest.mark.parametrize("limit", FLOODS)
def test_floods_are_exhausted(engine: Engine, limit: ExhaustedLimit) -> None:
    first, second = execute(make_executor(engine, guest(FLOODS[limit])), call(), call())
    assert (first.outcome.kind, first.outcome.limit) == (OutcomeKind.EXHAUSTED, limit)
    assert first.writes == ()
    assert first.outcome == second.outcome
    assert (first.outcome.fuel == FUEL) == (limit is ExhaustedLimit.FUEL)


def test_memory_is_granted_up_to_the_limit_and_not_a_page_beyond(engine: Engine) -> None:
    body = """
      (if (i32.ne (memory.grow (i32.const 1022)) (i32.const 2)) (then unreachable))
      (i32.store (i32.const 0x3fffffc) (i32.const 1))
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (if (i32.ne (memory.grow (i32.const -1)) (i32.const -1)) (then unreachable))"""
    assert run(make_executor(engine, guest(body))).kind == OutcomeKind.OK


def test_own_memory_maximum_is_kept(engine: Engine) -> None:
    wasm = guest("(if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then unreachable))")
    with_maximum = wasm.replace(b"\x05\x03\x01\x00\x02", b"\x05\x04\x01\x01\x02\x03")
    assert with_maximum != wasm
    assert run(make_executor(engine, with_maximum)).kind == OutcomeKind.OK


def test_trap_in_the_middle_leaves_no_writes_and_no_events(engine: Engine) -> None:
    body = """
      (call $kv_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))
      (call $log (i32.const 2) (i32.const 0) (i32.const 1))
      (if (i32.load8_u (i32.add (local.get $frame) (i32.const 150))) (then unreachable))"""
    executor = make_executor(engine, guest(body))
    failed, fine = execute(executor, call(arguments=b"\x01"), call(arguments=b"\x00"))
    assert (failed.writes, failed.outcome.events) == ((), ())
    assert [entry.text for entry in failed.outcome.logs] == [b"\x00"]
    assert len(fine.writes) == 1


def test_nothing_of_one_call_is_left_for_the_next(engine: Engine) -> None:
    """Globals, written memory and grown memory: all as in the module."""
    body = """
      (if (i32.or (i32.load (i32.const 2048)) (i32.ne (memory.size) (i32.const 2))) (then unreachable))
      (if (i32.ne (global.get $next) (i32.const 65696)) (then unreachable))
      (i32.store (i32.const 2048) (i32.const 7))
      (drop (memory.grow (i32.const 3)))
      (i32.store (i32.const 200000) (i32.const 7))"""
    results = execute(make_executor(engine, guest(body)), *[call()] * 5)
    assert {item.outcome.kind for item in results} == {OutcomeKind.OK}
    assert len({item.outcome.fuel for item in results}) == 1


def test_grown_memory_reads_as_zero(engine: Engine) -> None:
    dirty = guest("""(drop (memory.grow (i32.const 100)))
      (memory.fill (i32.const 131072) (i32.const 0xaa) (i32.const 6553600))""")
    reader = guest("""(drop (memory.grow (i32.const 100)))
      (local.set $frame (i32.const 131072))
      (loop $again
        (if (i32.load (local.get $frame)) (then unreachable))
        (local.set $frame (i32.add (local.get $frame) (i32.const 64)))
        (br_if $again (i32.lt_u (local.get $frame) (i32.const 6600000))))""")
    executor = make_executor(engine, dirty, reader)
    kinds = {item.outcome.kind for item in execute(executor, *[call(1), call(2)] * 4)}
    assert kinds == {OutcomeKind.OK}


def test_nan_payloads_are_canonical(engine: Engine) -> None:
    """NaNs made by arithmetic have one bit pattern, whatever payload went in."""
    body = """
      (f64.store (i32.const 1029) (f64.add (f64.reinterpret_i64 (i64.const 0x7ff4deadbeef0001)) (f64.const 1)))
      (f64.store (i32.const 1037) (f64.div (f64.const 0) (f64.const -0.0)))
      (f64.store (i32.const 1045) (f64.sqrt (f64.const -1)))
      (i32.store (i32.const 1025) (i32.const 24)) (return (i64.const 0x4000000001f))"""
    result = run(make_executor(engine, guest(body))).result
    assert result == bytes.fromhex("000000000000f87f") * 3


def test_query_cannot_write(engine: Engine) -> None:
    executor = make_executor(engine, guest("(call $kv_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))"))
    assert query(executor).message == "trap: a query cannot write state"
    executor = make_executor(engine, guest("(call $kv_delete (i32.const 0) (i32.const 1))"))
    assert query(executor).message == "trap: a query cannot write state"


def test_fuel_of_host_functions_is_taken_before_they_work(engine: Engine) -> None:
    executor = make_executor(engine, guest("(call $kv_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))"))
    enough = run(executor).fuel
    just, short = execute(executor, call(fuel=enough), call(fuel=enough - 100))
    assert (just.outcome.kind, just.outcome.fuel) == (OutcomeKind.OK, enough)
    assert (short.outcome.kind, short.outcome.limit) == (OutcomeKind.EXHAUSTED, ExhaustedLimit.FUEL)
    assert (short.outcome.fuel, short.writes) == (enough - 100, ())


def test_init_and_request_run_like_commands(engine: Engine) -> None:
    executor = make_executor(engine, guest("(call $kv_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))"))
    results = execute(executor, call(kind=FrameKind.INIT), call(kind=FrameKind.REQUEST))
    assert [item.writes[0].program for item in results] == [program_id(1)] * 2
