"""Clocks around functions: each counts its own time, and the profile's points are functions that exist."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import pytest

from bench import spans as spans_module
from bench.points import CORE_STEPS, EXECUTOR_STEPS, POINTS
from bench.spans import Point, Spans, find_missing


class Clock:
    """Nanoseconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 0

    def perf_counter_ns(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(spans_module, "time", made)
    return made


@pytest.fixture
def sample(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module whose functions take 10 (outer), 5 (inner) and 7 (Thing.act) nanoseconds of their own."""
    module = ModuleType("bench_sample")

    def inner() -> str:
        clock.now += 5
        return "done"

    def outer() -> str:
        clock.now += 4
        found: str = module.inner()
        clock.now += 6
        return found

    class Thing:
        async def act(self, name: str) -> str:
            clock.now += 7
            return str(module.inner())

    for name, value in (("inner", inner), ("outer", outer), ("Thing", Thing)):
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "bench_sample", module)
    return module


def test_each_span_counts_its_own_time(sample: ModuleType, clock: Clock) -> None:
    spans = Spans()
    with spans.installed([Point("out", "bench_sample", "outer"), Point("in", "bench_sample", "inner")]):
        with spans.span("around"):
            clock.now += 1
            assert sample.outer() == "done"
        assert sample.inner() == "done"
    assert spans.calls == {"around": 1, "out": 1, "in": 2}
    assert spans.take() == {"around": 1, "out": 10, "in": 10}
    assert spans.take() == {}


def test_coroutines_count_and_name_an_argument(sample: ModuleType) -> None:
    spans = Spans()
    points = [Point("act ", "bench_sample", "Thing.act", argument=1), Point("in", "bench_sample", "inner")]
    with spans.installed(points):
        assert asyncio.run(sample.Thing().act("slowly")) == "done"
    assert spans.take() == {"act slowly": 7, "in": 5}


def test_functions_come_back_after_an_error_too(sample: ModuleType) -> None:
    before = sample.inner

    def fail() -> None:
        with Spans().installed([Point("in", "bench_sample", "inner")]):
            assert sample.inner is not before
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert sample.inner is before


def test_missing_points_are_named_and_passed_over(sample: ModuleType) -> None:
    points = [
        Point("a", "bench_sample", "inner"),
        Point("b", "bench_sample", "gone"),
        Point("c", "bench_sample", "Thing.gone"),
        Point("d", "no_such_module", "x"),
    ]
    assert find_missing(points) == ["bench_sample:gone", "bench_sample:Thing.gone", "no_such_module:x"]
    spans = Spans()
    with spans.installed(points):
        sample.inner()
    assert spans.calls == {"a": 1}


def test_the_profile_times_functions_that_exist() -> None:
    """Where a function was renamed or moved, its row in ``bench/points.py`` follows."""
    assert find_missing(POINTS) == []
    places = [(point.module, point.attribute) for point in POINTS]
    assert len(set(places)) == len(places)
    assert {"HPKE open", "ECDSA recover", "state root", "output seal"} <= CORE_STEPS
    assert {"instantiate", "guest run"} <= EXECUTOR_STEPS
    assert not CORE_STEPS & EXECUTOR_STEPS
