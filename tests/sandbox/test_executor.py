"""The executor's core: order, rollback, calls between programs, randomness, keys, limits over an item."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from coprocessor.crypto.hashing import hmac_sha256
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.sandbox.abi import FrameKind
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import (
    EXECUTOR_REPLIES,
    EXECUTOR_REQUESTS,
    Done,
    Execute,
    ExecutorFailed,
    Loaded,
    LoadFailed,
    LoadGuest,
    LoadProgram,
    SetState,
    StateEntry,
    StateWrite,
    Stop,
    UnloadProgram,
)
from coprocessor.sandbox.faults import ExhaustedLimit
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.values.errors import MalformedInput
from coprocessor.values.limits import MAX_CALL_DEPTH, MAX_FUEL
from tests.sandbox.scenes import call, execute, guest, link, load_program, make_executor, program_id, query, run

SET_ARGUMENT = """
  (call $kv_set (i32.const 0) (i32.const 1) (i32.add (local.get $frame) (i32.const 150)) (i32.const 1))"""
RETURN_KEY_0 = """
  (local $packed i64)
  (local.set $packed (call $kv_get (i32.const 0) (i32.const 1)))
  (if (i64.ne (local.get $packed) (i64.const -1)) (then
    (i32.store (i32.const 1025) (i32.const 1))
    (i32.store8 (i32.const 1029) (i32.load8_u (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32)))))
    (return (i64.const 0x40000000008))))"""


def call_program(number: int) -> str:
    """Calls a program with the caller's own arguments; its reply becomes the result."""
    return f"""
  (local $packed i64)
  (memory.fill (i32.const 512) (i32.const {number}) (i32.const 32))
  (i32.store (i32.const 544) (i32.load (i32.add (local.get $frame) (i32.const 2))))
  (memory.copy (i32.const 548) (i32.add (local.get $frame) (i32.const 150))
    (i32.sub (local.get $length) (i32.const 150)))
  (local.set $packed (call $call (i32.const 512) (i32.const 544) (i32.sub (local.get $length) (i32.const 146))))
  (i32.store (i32.const 1025) (i32.wrap_i64 (local.get $packed)))
  (memory.copy (i32.const 1029) (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32)))
    (i32.wrap_i64 (local.get $packed)))
  (i32.store16 (i32.add (i32.const 1029) (i32.wrap_i64 (local.get $packed))) (i32.const 0))
  (return (i64.add (i64.const 0x40000000007) (i64.and (local.get $packed) (i64.const 0xffffffff))))"""


CALL_2 = call_program(2)


def test_items_see_the_writes_of_earlier_ones_and_failing_ones_leave_none(engine: Engine) -> None:
    body = (
        RETURN_KEY_0.replace("(return (i64.const 0x40000000008))", "")
        + SET_ARGUMENT
        + """
      (if (i32.eq (i32.load8_u (i32.add (local.get $frame) (i32.const 150))) (i32.const 9)) (then unreachable))
      (return (i64.add (i64.const 0x40000000007) (i64.extend_i32_u (i32.load (i32.const 1025)))))"""
    )
    executor = make_executor(engine, guest(body))
    results = execute(executor, *[call(arguments=bytes((value,))) for value in (1, 2, 9, 3)])
    assert [item.outcome.result for item in results] == [b"", b"\x01", b"", b"\x02"]
    assert [item.writes for item in results] == [
        (StateWrite(program_id(1), b"\0", b"\x01"),),
        (StateWrite(program_id(1), b"\0", b"\x02"),),
        (),
        (StateWrite(program_id(1), b"\0", b"\x03"),),
    ]


def test_query_leaves_no_trace(engine: Engine) -> None:
    executor = make_executor(engine, guest(RETURN_KEY_0))
    executor.handle(SetState(program_id(1), (StateEntry(b"\0", b"\x07"),)))
    assert query(executor).result == b"\x07"
    assert execute(executor, call())[0].writes == ()


def test_states_of_programs_are_apart(engine: Engine) -> None:
    executor = make_executor(engine, guest(SET_ARGUMENT), guest(RETURN_KEY_0))
    execute(executor, call(1, arguments=b"\x05"))
    assert query(executor, 2).result == b""


def test_call_writes_to_the_callee_and_returns_its_reply(engine: Engine) -> None:
    executor = make_executor(engine, guest(CALL_2), guest(SET_ARGUMENT))
    item = execute(executor, call(1, arguments=b"\x2a"))[0]
    assert item.outcome.kind == OutcomeKind.OK, item.outcome.message
    assert item.outcome.result == b"\0"
    assert item.writes == (StateWrite(program_id(2), b"\0", b"\x2a"),)


def test_failing_callee_rolls_back_alone(engine: Engine) -> None:
    caller = guest(CALL_2.replace("(memory.fill", SET_ARGUMENT + "(memory.fill"))
    executor = make_executor(engine, caller, guest(SET_ARGUMENT + "unreachable"))
    item = execute(executor, call(1, arguments=b"\x2a"))[0]
    assert item.outcome.result == b"\x01trap: unreachable"
    assert item.writes == (StateWrite(program_id(1), b"\0", b"\x2a"),)


def test_failing_caller_rolls_back_its_callees(engine: Engine) -> None:
    caller = guest(CALL_2.replace("(return", "unreachable (return"))
    executor = make_executor(engine, caller, guest(SET_ARGUMENT))
    assert execute(executor, call(1, arguments=b"\x2a"))[0].writes == ()
    assert query(make_executor(engine, caller, guest(RETURN_KEY_0)), 2).result == b""


def test_callee_takes_fuel_from_its_caller(engine: Engine) -> None:
    executor = make_executor(engine, guest(CALL_2), guest("(loop $again (br $again))"))
    outcome = run(executor, fuel=3_000_000)
    assert (outcome.kind, outcome.limit, outcome.fuel) == (OutcomeKind.EXHAUSTED, ExhaustedLimit.FUEL, 3_000_000)


def test_caller_learns_which_limit_its_callee_met(engine: Engine) -> None:
    flood = guest("(loop $a (call $kv_set (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 65536)) (br $a))")
    executor = make_executor(engine, guest(CALL_2), flood)
    assert run(executor).result == b"\x04the limit of state was exhausted"


def test_reentrant_calls_are_refused(engine: Engine) -> None:
    executor = make_executor(engine, guest(CALL_2), guest(call_program(1)))
    assert run(executor).result == b"\0\x05the program is active already"


def test_chain_of_calls_has_a_greatest_depth(engine: Engine) -> None:
    chain = [guest(call_program(number + 1)) for number in range(1, MAX_CALL_DEPTH + 2)]
    result = run(make_executor(engine, *chain)).result
    assert result == b"\0" * (MAX_CALL_DEPTH - 1) + b"\x05%d programs are active already" % MAX_CALL_DEPTH


def test_declared_but_missing_callee(engine: Engine) -> None:
    executor = Executor(engine)
    executor.handle(load_program(1, guest(CALL_2), callees=(2,)))
    assert run(executor).result == b"\x05the program is not loaded"


def test_undeclared_callee_traps(engine: Engine) -> None:
    executor = make_executor(engine, guest(""), guest(""))
    executor.handle(load_program(1, guest(CALL_2), callees=(1,)))
    assert run(executor).message == "trap: it calls a program that it does not declare"


def test_callee_sees_its_caller_and_kind(engine: Engine) -> None:
    show = """
      (i32.store (i32.const 1025) (i32.const 25))
      (memory.copy (i32.const 1029) (i32.add (local.get $frame) (i32.const 1)) (i32.const 25))
      (return (i64.const 0x40000000020))"""
    result = run(make_executor(engine, guest(CALL_2), guest(show)), method="abc").result
    assert result[0] == 0
    assert result[1] == FrameKind.INTERNAL
    assert result[6:26] == program_id(1)[-20:]


RANDOM = """
  (local $packed i64)
  (drop (call $random (i32.const 3)))
  (local.set $packed (call $random (i32.const 40)))
  (i32.store (i32.const 1025) (i32.const 40))
  (memory.copy (i32.const 1029) (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))) (i32.const 40))
  (return (i64.const 0x4000000002f))"""


def test_randomness_is_a_function_of_seed_program_and_call(engine: Engine) -> None:
    executor = make_executor(engine, guest(RANDOM), guest(RANDOM))
    seed = b"\x11" * 32
    first = run(executor, 1, seed=seed).result
    expected = b"".join(
        hmac_sha256(seed, program_id(1) + (1).to_bytes(4, "big") + block.to_bytes(4, "big")) for block in range(2)
    )
    assert first == expected[:40]
    assert run(executor, 1, seed=seed).result == first
    assert run(executor, 2, seed=seed).result != first
    assert run(executor, 1, seed=b"\x12" * 32).result != first


SIGN = """
  (local $packed i64)
  (local.set $packed (call $sign (i32.const 0) (i32.const 32)))
  (i32.store (i32.const 1025) (i32.const 65))
  (memory.copy (i32.const 1029) (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))) (i32.const 65))
  (return (i64.const 0x40000000048))"""


def test_commands_and_queries_sign_with_different_keys(engine: Engine) -> None:
    executor = make_executor(engine, guest(SIGN))
    signers = [recover_address(bytes(32), reply.result) for reply in (run(executor), query(executor))]
    assert signers == [PrivateKey(bytes((0x52, 1)) * 16).address, PrivateKey(bytes((0x53, 1)) * 16).address]


def test_derived_keys_differ_by_purpose_and_program(engine: Engine) -> None:
    body = """
      (local $packed i64)
      (local.set $packed
        (call $derive_key (i32.add (local.get $frame) (i32.const 150)) (i32.sub (local.get $length) (i32.const 150))))
      (i32.store (i32.const 1025) (i32.const 32))
      (memory.copy (i32.const 1029) (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))) (i32.const 32))
      (return (i64.const 0x40000000027))"""
    executor = make_executor(engine, guest(body), guest(body))
    keys = [run(executor, number, arguments=purpose).result for number in (1, 2) for purpose in (b"", b"a", b"b")]
    assert len(set(keys)) == 6
    assert {len(key) for key in keys} == {32}
    assert query(executor, 1, arguments=b"a").result == keys[1]


def _scan(prefix: bytes, start: bytes, limit: int) -> str:
    bytes_ = "".join(f"\\{byte:02x}" for byte in prefix + start)
    return f"""
      (local $packed i64)
      (memory.init $text (i32.const 512) (i32.const 0) (i32.const {len(prefix + start)}))
      (local.set $packed (call $kv_scan (i32.const 512) (i32.const {len(prefix)})
        (i32.const {512 + len(prefix)}) (i32.const {len(start)}) (i32.const {limit})))
      (i32.store (i32.const 1025) (i32.wrap_i64 (local.get $packed)))
      (memory.copy (i32.const 1029) (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32)))
        (i32.wrap_i64 (local.get $packed)))
      (return (i64.add (i64.const 0x40000000007) (i64.and (local.get $packed) (i64.const 0xffffffff)))))
      (data $text "{bytes_}")
      (func $unused (result i64)"""


def _entries(page: bytes) -> list[tuple[bytes, bytes]]:
    count, at = struct.unpack_from("<I", page)[0], 4
    found = []
    for _ in range(count):
        parts = []
        for _ in range(2):
            length = struct.unpack_from("<I", page, at)[0]
            parts.append(page[at + 4 : at + 4 + length])
            at += 4 + length
        found.append((parts[0], parts[1]))
    assert at == len(page)
    return found


@pytest.mark.parametrize(
    ("prefix", "start", "limit", "keys"),
    [
        (b"", b"", 10, [b"a", b"b", b"b\0", b"b\xff", b"c"]),
        (b"b", b"", 10, [b"b", b"b\0", b"b\xff"]),
        (b"b", b"b", 10, [b"b\0", b"b\xff"]),
        (b"b", b"a", 10, [b"b", b"b\0", b"b\xff"]),
        (b"b", b"c", 10, []),
        (b"b", b"", 2, [b"b", b"b\0"]),
        (b"", b"b\xff", 10, [b"c"]),
        (b"", b"", 0, []),
        (b"d", b"", 10, []),
    ],
)
def test_scans(engine: Engine, prefix: bytes, start: bytes, limit: int, keys: list[bytes]) -> None:
    executor = make_executor(engine, guest(_scan(prefix, start, limit)))
    entries = tuple(StateEntry(key, b"v" + key) for key in (b"c", b"b\xff", b"b\0", b"b", b"a"))
    executor.handle(SetState(program_id(1), entries))
    assert _entries(query(executor).result) == [(key, b"v" + key) for key in keys]


def test_events_of_callees_are_attributed_and_counted(engine: Engine) -> None:
    emit = """
      (i32.store16 (i32.const 1029) (i32.const {count}))
      (memory.fill (i32.const 1031) (i32.const 0) (i32.const 1000))
      (local.set $frame (i32.const 0))
      (loop $again
        (i32.store16 (i32.add (i32.const 1031) (i32.mul (local.get $frame) (i32.const 7))) (i32.const 1))
        (i32.store8 (i32.add (i32.const 1033) (i32.mul (local.get $frame) (i32.const 7))) (i32.const 0x45))
        (local.set $frame (i32.add (local.get $frame) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $frame) (i32.const {count}))))
      (return (i64.add (i64.const 0x40000000007) (i64.const {size})))"""

    def emitting(count: int) -> str:
        return emit.format(count=count, size=count * 7)

    silent_call = CALL_2[: CALL_2.index("(i32.store (i32.const 1025)")]
    both = guest(silent_call + emitting(40))
    executor = make_executor(engine, both, guest(emitting(24)))
    events = run(executor).events
    assert [event.program for event in events] == [program_id(2)] * 24 + [program_id(1)] * 40
    executor = make_executor(engine, both, guest(emitting(25)))
    outcome = run(executor)
    assert (outcome.kind, outcome.limit, outcome.events) == (OutcomeKind.EXHAUSTED, ExhaustedLimit.OUTPUT, ())


class TestRefusals:
    """What the executor answers to requests that it cannot serve."""

    def test_unknown_program(self, engine: Engine) -> None:
        reply = Executor(engine).handle(link(call()))
        assert isinstance(reply, ExecutorFailed)
        assert (reply.code, reply.is_fatal) == ("executor.program", False)

    @pytest.mark.parametrize("kind", [FrameKind.LOAD, FrameKind.QUERY, FrameKind.INTERNAL])
    def test_kinds_that_no_item_has(self, engine: Engine, kind: FrameKind) -> None:
        reply = make_executor(engine, guest("")).handle(link(call(kind=kind)))
        assert isinstance(reply, ExecutorFailed)
        assert reply.code == "executor.kind"

    def test_nothing_runs_where_one_item_is_malformed(self, engine: Engine) -> None:
        executor = make_executor(engine, guest(SET_ARGUMENT))
        reply = executor.handle(link(call(arguments=b"\1"), call(fuel=MAX_FUEL + 1)))
        assert isinstance(reply, ExecutorFailed)
        assert reply.code == "executor.fuel"
        assert executor._states.map_of(program_id(1)) == {}

    def test_bad_code(self, engine: Engine) -> None:
        reply = Executor(engine).handle(load_program(1, b"no module"))
        assert isinstance(reply, LoadFailed)
        assert reply.code == "wasm.malformed"

    def test_python_without_its_guest(self, engine: Engine) -> None:
        message = LoadProgram(program_id(1), "python", b"", (), bytes(32), bytes(32), bytes(32))
        reply = Executor(engine).handle(message)
        assert isinstance(reply, ExecutorFailed)
        assert (reply.code, reply.is_fatal) == ("executor.no_guest", False)

    def test_unknown_languages(self, engine: Engine) -> None:
        with pytest.raises(MalformedInput):
            LoadProgram(program_id(1), "cobol", b"", (), bytes(32), bytes(32), bytes(32))
        assert isinstance(Executor(engine).handle(LoadGuest("cobol", b"")), LoadFailed)

    def test_unloaded_program_is_gone(self, engine: Engine) -> None:
        executor = make_executor(engine, guest(SET_ARGUMENT))
        execute(executor, call(arguments=b"\1"))
        assert executor.handle(UnloadProgram(program_id(1))) == Done()
        assert isinstance(executor.handle(link(call())), ExecutorFailed)

    def test_stop(self, engine: Engine) -> None:
        assert Executor(engine).handle(Stop()) == Done()


def test_compiled_code_is_reused_only_for_its_module(engine: Engine) -> None:
    wasm, other = guest(SET_ARGUMENT), guest(RETURN_KEY_0)
    loaded = Executor(engine).handle(load_program(1, wasm))
    assert isinstance(loaded, Loaded)
    assert loaded.compiled is not None
    message = load_program(1, wasm)
    executor = Executor(engine)

    def with_compiled(code: bytes) -> LoadProgram:
        return LoadProgram(
            message.program, "wasm", code, (), bytes(32), bytes(31) + b"\1", bytes(31) + b"\1", loaded.compiled
        )

    again = executor.handle(with_compiled(wasm))
    assert isinstance(again, Loaded)
    assert again.compiled is None
    assert execute(executor, call(arguments=b"\5"))[0].writes[0].value == b"\5"
    another = executor.handle(with_compiled(other))
    assert isinstance(another, Loaded)
    assert another.compiled is not None
    assert execute(executor, call(arguments=b"\6"))[0].writes == ()


@pytest.mark.parametrize("kept", [b"", b"\xf6", b"\xa0", bytes(1000)])
def test_kept_code_that_does_not_fit_is_made_again(engine: Engine, kept: bytes) -> None:
    executor = Executor(engine)
    reply = executor.handle(replace(load_program(1, guest(SET_ARGUMENT)), compiled=kept))
    assert isinstance(reply, Loaded)
    assert reply.compiled is not None
    assert execute(executor, call(arguments=b"\5"))[0].writes[0].value == b"\5"


def test_messages_survive_the_wire_and_hide_secrets(engine: Engine) -> None:
    message = load_program(1, guest(""), (2, 3))
    assert EXECUTOR_REQUESTS.decode(EXECUTOR_REQUESTS.encode(message)) == message
    for secret in (message.application_secret, message.account_secret, message.query_account_secret):
        assert repr(secret) not in repr(message)
    batch = link(call(arguments=b"abc"), call(2))
    assert isinstance(EXECUTOR_REQUESTS.decode(EXECUTOR_REQUESTS.encode(batch)), Execute)
    executor = make_executor(engine, guest(SET_ARGUMENT))
    reply = executor.handle(link(call(arguments=b"\1")))
    assert EXECUTOR_REPLIES.decode(EXECUTOR_REPLIES.encode(reply)) == reply
