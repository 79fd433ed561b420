"""The CPython guest through the executor: equal everywhere, and bounded by the deterministic depth limit."""

from __future__ import annotations

import json

import pytest

from coprocessor.sandbox.abi import FrameKind, ResultStatus
from coprocessor.sandbox.engine import Engine, EngineOptions
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import CallOutcome, GuestLoaded, Loaded, LoadGuest, LoadProgram
from coprocessor.sandbox.faults import ExhaustedLimit
from coprocessor.sandbox.instrumentation import DEPTH_LIMIT
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.sandbox.python_guest import bundle_files
from tests.sandbox.scenes import call, execute, program_id, query, run
from tests.support.python_guest import compiled_python_guest

FUEL = 20_000_000_000
COUNTER = b"""
from phat import Contract, Map, command, query

class Counter(Contract):
    count: int = 0
    by: Map[str, int]

    def init(self, start: int) -> None:
        self.count = start

    @command
    def add(self, amount: int) -> int:
        self.count += amount
        self.by["all"] = self.by.get("all", 0) + amount
        return self.count

    @command
    def grab(self, size: int) -> int:
        return len(bytearray(size))

    @query
    def get(self) -> int:
        return self.count
"""
RECURSION = b"""
import copy
import functools
import itertools
from phat import Contract, query

NESTED = 300_000

class Node:
    def __init__(self, depth: int, limit: int) -> None:
        if depth < limit:
            self.child = Node(depth + 1, limit)
    def __add__(self, other: object) -> object:
        return self + other
    def __getattr__(self, name: str) -> object:
        return getattr(self, name + "x")
    def __repr__(self) -> str:
        return f"{self!r}"

def nested(kind: type) -> object:
    value: object = kind()
    for _ in range(NESTED):
        value = [value] if kind is list else (value,)
    return value

class Recursion(Contract):
    @query
    def plain(self) -> int:
        return 1 + self.plain()
    @query
    def constructors(self) -> None:
        Node(0, 1_000_000)
    @query
    def operators(self) -> None:
        Node(0, 0) + 1
    @query
    def attributes(self) -> None:
        Node(0, 0).missing
    @query
    def representations(self) -> None:
        repr(Node(0, 0))
    @query
    def sort_keys(self) -> None:
        sorted([1, 2], key=lambda _: self.sort_keys())
    @query
    def repr_of_list(self) -> int:
        return len(repr(nested(list)))
    @query
    def hash_of_tuple(self) -> int:
        return hash(nested(tuple)) & 1
    @query
    def compare(self) -> bool:
        return nested(list) == nested(list)
    @query
    def deep_copy(self) -> None:
        copy.deepcopy(nested(list))
    @query
    def destructors(self) -> int:
        value = nested(list)
        del value
        return 1
    @query
    def iterators(self) -> list[int]:
        value = iter([1])
        for _ in range(NESTED):
            value = itertools.chain(value)
        return list(value)
    @query
    def maps(self) -> list[int]:
        value = iter([1])
        for _ in range(NESTED):
            value = map(int, value)
        return list(value)
    @query
    def partials(self) -> int:
        function = lambda: 1
        for _ in range(20_000):
            function = functools.partial(lambda inner: inner(), function)
        return function()
"""
SHAPES = [
    line.split()[1].split("(")[0]
    for line in RECURSION.decode().splitlines()
    if line.startswith("    def ") and "__" not in line
]


def _load(executor: Executor, number: int, source: bytes) -> Loaded:
    bundle = bundle_files({"contract.py": source})
    reply = executor.handle(LoadProgram(program_id(number), "python", bundle, (), b"a" * 32, b"b" * 32, b"c" * 32))
    assert isinstance(reply, Loaded), reply
    return reply


def _python_executor(options: EngineOptions) -> Executor:
    engine = Engine(options)
    executor = Executor(engine)
    reply = executor.handle(LoadGuest("python", b"", compiled_python_guest(engine).serialize()))
    assert isinstance(reply, GuestLoaded)
    return executor


@pytest.fixture(scope="module")
def executors() -> list[Executor]:
    """A native stack of a third of the limit, the limit, twice the limit; two code generators; two ways to restore."""
    return run_on_guest_stack(_make_executors)


def _make_executors() -> list[Executor]:
    made = [
        _python_executor(EngineOptions(guest_stack_bytes=DEPTH_LIMIT // 3)),
        _python_executor(EngineOptions(guest_stack_bytes=DEPTH_LIMIT, optimization="none")),
        _python_executor(EngineOptions(guest_stack_bytes=2 * DEPTH_LIMIT, maps_snapshots=False)),
    ]
    loads = {(_load(executor, 1, COUNTER).fuel, _load(executor, 2, RECURSION).fuel) for executor in made}
    assert len(loads) == 1
    return made


def test_interface_comes_from_the_load(executors: list[Executor]) -> None:
    interface = json.loads(_load(executors[0], 1, COUNTER).interface)
    assert interface["name"] == "Counter"
    assert {method["name"] for method in interface["methods"]} >= {"add", "get"}


def test_outcomes_and_fuel_are_equal_everywhere(executors: list[Executor]) -> None:
    histories = set()
    for executor in executors:
        results = execute(
            executor,
            call(method="init", arguments=b"[40]", kind=FrameKind.INIT, fuel=FUEL),
            call(method="add", arguments=b"[2]", fuel=FUEL),
            call(method="add", arguments=b"[2]", fuel=FUEL),
            call(method="add", arguments=b'["2"]', fuel=FUEL),
            call(method="nothing", fuel=FUEL),
            call(method="add", arguments=b"[2]", fuel=200_000),
            call(method="grab", arguments=b"[50000000]", fuel=FUEL),
            call(method="grab", arguments=b"[500000000]", fuel=FUEL),
        )
        histories.add(results)
        assert query(executor, method="get", arguments=b"[]", fuel=FUEL).result == b"44"
    assert len(histories) == 1
    outcomes = [item.outcome for item in histories.pop()]
    assert [outcome.result for outcome in outcomes[:3]] == [b"null", b"42", b"44"]
    assert [outcome.status for outcome in outcomes[3:5]] == [ResultStatus.BAD_ARGUMENTS, ResultStatus.UNKNOWN_METHOD]
    assert outcomes[5].limit == ExhaustedLimit.FUEL
    assert outcomes[6].result == b"50000000"
    assert "MemoryError" in outcomes[7].message


@pytest.mark.parametrize("shape", SHAPES)
def test_recursion_ends_alike_everywhere(executors: list[Executor], shape: str) -> None:
    """Either Python's own limit or the depth limit ends it, never the native stack, even at a third of the limit."""
    outcomes: set[CallOutcome] = {query(executor, 2, shape, b"[]", fuel=FUEL) for executor in executors}
    assert len(outcomes) == 1
    outcome = outcomes.pop()
    is_own_end = outcome.kind == OutcomeKind.OK or "RecursionError" in outcome.message
    assert is_own_end or outcome.limit == ExhaustedLimit.DEPTH, outcome.message


def test_python_recursion_is_a_recursion_error(executors: list[Executor]) -> None:
    assert "RecursionError" in query(executors[0], 2, "plain", b"[]", fuel=FUEL).message


def test_state_of_the_interpreter_is_fresh_in_each_call(executors: list[Executor]) -> None:
    fuels = {run(executors[0], method="grab", arguments=b"[10]", fuel=FUEL).fuel for _ in range(5)}
    assert len(fuels) == 1
