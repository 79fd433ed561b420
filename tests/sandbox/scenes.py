"""Short ways to load and call programs in an executor."""

from __future__ import annotations

from typing import Any

from coprocessor.sandbox.abi import FrameKind, compute_selector
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.executor import Executor, Interrupter
from coprocessor.sandbox.executor_messages import Call, CallOutcome, Execute, Item, ItemResult, LoadProgram, Query
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, ProgramId, RequestId
from tests.support.wasm import compile_text

AUTHOR = Address(bytes.fromhex("a1" * 20))
FUEL = 100_000_000

GUEST_START = """
(module
  (import "phat" "kv_get" (func $kv_get (param i32 i32) (result i64)))
  (import "phat" "kv_set" (func $kv_set (param i32 i32 i32 i32)))
  (import "phat" "kv_delete" (func $kv_delete (param i32 i32)))
  (import "phat" "kv_scan" (func $kv_scan (param i32 i32 i32 i32 i32) (result i64)))
  (import "phat" "log" (func $log (param i32 i32 i32)))
  (import "phat" "derive_key" (func $derive_key (param i32 i32) (result i64)))
  (import "phat" "sign" (func $sign (param i32 i32) (result i64)))
  (import "phat" "random" (func $random (param i32) (result i64)))
  (import "phat" "call" (func $call (param i32 i32 i32) (result i64)))
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 65536))
"""
ALLOCATOR = """
  (func (export "phat_alloc") (param $length i32) (result i32)
    (global.get $next)
    (global.set $next
      (i32.add (global.get $next) (i32.and (i32.add (local.get $length) (i32.const 15)) (i32.const -16)))))
"""
EMPTY_OK = """(i64.const 0x40000000007)"""
"""A packed result: 7 bytes at address 1024, which are zero: status ok, no result, no events."""


def guest(body: str, functions: str = "", allocator: str = ALLOCATOR) -> bytes:
    """A guest whose ``phat_call`` is ``body``, then an empty ok."""
    entry = f"""(func (export "phat_call") (param $frame i32) (param $length i32) (result i64) {body} {EMPTY_OK}))"""
    return compile_text(GUEST_START + allocator + functions + entry)


def program_id(number: int) -> ProgramId:
    """A program's id: 32 times the same byte."""
    return ProgramId(bytes((number,)) * 32)


def load_program(number: int, wasm: bytes, callees: tuple[int, ...] = ()) -> LoadProgram:
    """The message that loads a raw program."""
    return LoadProgram(
        program=program_id(number),
        language="wasm",
        code=wasm,
        callees=tuple(program_id(callee) for callee in callees),
        application_secret=bytes((0x51, number)) * 16,
        account_secret=bytes((0x52, number)) * 16,
        query_account_secret=bytes((0x53, number)) * 16,
    )


def make_executor(engine: Engine, *wasms: bytes, interrupter: Interrupter | None = None) -> Executor:
    """An executor with programs 1, 2, ...; each may call all others."""
    executor = Executor(engine, interrupter)
    numbers = tuple(range(1, len(wasms) + 1))
    for number, wasm in zip(numbers, wasms, strict=True):
        reply = executor.handle(load_program(number, wasm, numbers))
        assert type(reply).__name__ == "Loaded", reply
    return executor


def call(
    number: int = 1,
    method: str = "run",
    arguments: bytes = b"",
    kind: FrameKind = FrameKind.COMMAND,
    fuel: int = FUEL,
    seed: bytes = bytes(32),
) -> Call:
    """A call by AUTHOR."""
    return Call(
        program=program_id(number),
        kind=kind,
        selector=compute_selector(method),
        caller=AUTHOR,
        origin=ZERO_ADDRESS,
        request_id=RequestId(ZERO_DIGEST),
        arguments=arguments,
        fuel_limit=fuel,
        random_seed=seed,
    )


def link(*calls: Call, index: int = 7) -> Execute:
    """One link with these items."""
    items = tuple(Item(position, one) for position, one in enumerate(calls))
    return Execute(chain_id=31337, block_number=100, timestamp=1_700_000_000, link=index, items=items)


def execute(executor: Any, *calls: Call) -> tuple[ItemResult, ...]:
    """The results of one link."""
    reply = executor.handle(link(*calls))
    assert type(reply).__name__ == "Executed", reply
    results: tuple[ItemResult, ...] = reply.results
    return results


def run(executor: Any, number: int = 1, method: str = "run", arguments: bytes = b"", **more: Any) -> CallOutcome:
    """The outcome of one command."""
    return execute(executor, call(number, method, arguments, **more))[0].outcome


def query(executor: Any, number: int = 1, method: str = "run", arguments: bytes = b"", **more: Any) -> CallOutcome:
    """The outcome of one query."""
    message = Query(31337, 100, 1_700_000_000, 7, call(number, method, arguments, FrameKind.QUERY, **more), 1000)
    reply = executor.handle(message)
    assert type(reply).__name__ == "Queried", reply
    outcome: CallOutcome = reply.outcome
    return outcome
