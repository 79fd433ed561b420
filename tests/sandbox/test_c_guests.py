"""Programs in C, through the whole executor."""

from __future__ import annotations

import struct

from coprocessor.sandbox.abi import FrameKind, ResultStatus
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.executor_messages import StateWrite
from coprocessor.sandbox.outcome import OutcomeKind
from tests.sandbox.scenes import AUTHOR, call, execute, make_executor, program_id, query, run
from tests.support.wasm import ROOT, compile_c

COUNTER = ROOT / "examples" / "c_counter" / "counter.c"
TOKEN = ROOT / "guests" / "c" / "token.c"


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def test_counter_counts(engine: Engine) -> None:
    executor = make_executor(engine, compile_c(COUNTER))
    first, second, third = execute(
        executor,
        call(method="init", arguments=u64(40), kind=FrameKind.INIT),
        call(method="add", arguments=u64(2)),
        call(method="add", arguments=u64(3)),
    )
    assert first.outcome.kind == OutcomeKind.OK
    assert first.writes == (StateWrite(program_id(1), b"count", u64(40)),)
    assert (second.outcome.result, third.outcome.result) == (u64(42), u64(45))
    assert [(event.program, event.name, event.data) for event in third.outcome.events] == [
        (program_id(1), "Added", u64(45))
    ]
    assert query(executor, method="get").result == u64(45)


def test_counter_refuses(engine: Engine) -> None:
    executor = make_executor(engine, compile_c(COUNTER))
    run(executor, method="init", arguments=u64(2**64 - 1), kind=FrameKind.INIT)
    overflow, too_short, unknown, wrong_kind = (
        item.outcome
        for item in execute(
            executor,
            call(method="add", arguments=u64(1)),
            call(method="add", arguments=b"\x01"),
            call(method="nothing"),
            call(method="get"),
        )
    )
    assert (overflow.status, overflow.message) == (ResultStatus.REVERTED, "the counter would overflow")
    assert too_short.status == ResultStatus.BAD_ARGUMENTS
    assert unknown.status == wrong_kind.status == ResultStatus.UNKNOWN_METHOD
    assert query(executor, method="get").result == u64(2**64 - 1)


def test_token_conserves_its_supply(engine: Engine) -> None:
    executor = make_executor(engine, compile_c(TOKEN))
    other = bytes(range(20))
    run(executor, method="init", arguments=u64(100), kind=FrameKind.INIT)
    moved, too_much = execute(
        executor,
        call(method="transfer", arguments=other + u64(30)),
        call(method="transfer", arguments=other + u64(71)),
    )
    assert moved.outcome.events[0].data == AUTHOR + other + u64(30)
    assert too_much.outcome.message == "the balance is too small"
    assert too_much.writes == ()
    balances = [query(executor, method="balance_of", arguments=who).result for who in (AUTHOR, other)]
    assert balances == [u64(70), u64(30)]
    run(executor, method="transfer", arguments=other + u64(70))
    assert query(executor, method="balance_of", arguments=AUTHOR).result == u64(0)


def test_committed_counter_behaves_like_a_fresh_build(engine: Engine) -> None:
    committed = COUNTER.with_suffix(".wasm").read_bytes()
    outcomes = []
    for wasm in (committed, compile_c(COUNTER)):
        executor = make_executor(engine, wasm)
        results = execute(
            executor,
            call(method="init", arguments=u64(1), kind=FrameKind.INIT),
            call(method="add", arguments=u64(5)),
            call(method="add", arguments=b""),
        )
        outcomes.append(
            [(item.outcome.kind, item.outcome.result, item.outcome.message, item.writes) for item in results]
        )
    assert outcomes[0] == outcomes[1]
