"""Outcomes and fuel are equal whatever may differ between two machines that run one runtime (PROTOCOL 5.1, 5.3)."""

from __future__ import annotations

import struct

import pytest

from coprocessor.sandbox import selfcheck
from coprocessor.sandbox.abi import FrameKind
from coprocessor.sandbox.engine import Engine, EngineOptions
from coprocessor.sandbox.executor_messages import ItemResult
from coprocessor.sandbox.fast_path import FastBackend
from coprocessor.values.errors import InternalError
from tests.sandbox.scenes import AUTHOR, call, execute, guest, make_executor
from tests.support.wasm import ROOT, compile_c

OPTIONS = {
    "default": EngineOptions(),
    "public path": EngineOptions(path="public"),
    "no optimisation": EngineOptions(optimization="none"),
    "no copy-on-write": EngineOptions(copy_on_write=False),
    "pool": EngineOptions(is_pooling=True),
    "pool without copy-on-write": EngineOptions(is_pooling=True, copy_on_write=False),
    "not interruptible": EngineOptions(is_interruptible=False),
}
FLOATS = """
  (local $i i32) (local $x f64)
  (local.set $x (f64.const 0.1))
  (loop $again
    (local.set $x (f64.add (f64.sqrt (f64.mul (local.get $x) (f64.const 1.7))) (f64.div (f64.const 1) (local.get $x))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $i) (i32.const 1000))))
  (f64.store (i32.const 1029) (local.get $x))
  (i32.store (i32.const 1025) (i32.const 8))
  (return (i64.const 0x4000000000f))"""


def _script(engine: Engine) -> tuple[ItemResult, ...]:
    """Ok, reverted, trapped and exhausted calls of several guests."""
    token = compile_c(ROOT / "guests" / "c" / "token.c")
    grow = guest("(drop (memory.grow (i32.const 5000))) (drop (memory.grow (i32.const 50))) unreachable")
    executor = make_executor(engine, token, guest(FLOATS), grow)
    amount = struct.pack("<Q", 10)
    return execute(
        executor,
        call(1, "init", struct.pack("<Q", 25), kind=FrameKind.INIT),
        *[call(1, "transfer", bytes(20) + amount)] * 4,
        call(1, "transfer", AUTHOR),
        call(1, "transfer", bytes(20) + amount, fuel=1000),
        call(1, "transfer", bytes(20) + amount, fuel=150_000),
        call(2),
        call(3),
    )


@pytest.fixture(scope="module")
def expected() -> list[tuple[ItemResult, ...]]:
    """Filled by the first test."""
    return []


@pytest.mark.parametrize("name", OPTIONS)
def test_outcomes_and_fuel_do_not_depend_on(name: str, expected: list[tuple[ItemResult, ...]]) -> None:
    engine = Engine(OPTIONS[name])
    if not expected:
        expected.append(_script(engine))
        assert {item.outcome.kind for item in expected[0]} == {0, 1, 2}
    assert [_script(engine) for _ in range(3)] == [expected[0]] * 3


def test_fast_path_is_in_use() -> None:
    engine = Engine(EngineOptions(path="fast"))
    assert (engine.path, engine.fallback_reason) == ("fast", "")


def test_fast_path_that_behaves_differently_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    observations = iter([["public"], ["another"], ["public"], ["another"]])
    monkeypatch.setattr(selfcheck, "observe", lambda engine: next(observations))
    engine = Engine()
    assert engine.path == "public"
    assert "another" in engine.fallback_reason
    with pytest.raises(InternalError):
        Engine(EngineOptions(path="fast"))


def test_fast_path_that_cannot_be_built_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AttributeError("no such function in this library")

    monkeypatch.setattr(FastBackend, "__init__", fail)
    engine = Engine()
    assert engine.path == "public"
    assert "no such function" in engine.fallback_reason
