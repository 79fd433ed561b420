"""Runs benchmarks one after the other; one that fails, or takes too long, loses only its own figures."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.figures import Figure
from bench.registry import Benchmark
from bench.scene import Scene

__all__ = ["Outcome", "run_all"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one benchmark: seconds that it took, its figures, or why there are none."""

    name: str
    purpose: str
    seconds: float
    figures: tuple[Figure, ...]
    error: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in the results."""
        return {
            "name": self.name,
            "purpose": self.purpose,
            "seconds": round(self.seconds, 1),
            "error": self.error,
            "figures": [figure.to_json() for figure in self.figures],
        }


def run_all(benchmarks: Sequence[Benchmark], scene: Scene) -> list[Outcome]:
    """The outcomes in order. Networks of a benchmark that failed are not used again."""
    outcomes = []
    for number, benchmark in enumerate(benchmarks, 1):
        scene.say(f"{benchmark.name} ({number} of {len(benchmarks)}): {benchmark.purpose}")
        outcomes.append(_run_one(benchmark, scene))
    return outcomes


def _run_one(benchmark: Benchmark, scene: Scene) -> Outcome:
    began = time.monotonic()
    figures: tuple[Figure, ...] = ()
    error = ""
    try:
        with _time_limit(benchmark.limit):
            figures = tuple(benchmark.run(scene))
        _check(benchmark, figures)
    except Exception as failure:  # whatever goes wrong in one must not end the others
        error = f"{type(failure).__name__}: {failure}"
        scene.say(f"  FAILED: {error}")
        scene.say("  " + "".join(traceback.format_exception(failure)).strip().replace("\n", "\n  "))
        scene.stop_networks()
    return Outcome(benchmark.name, benchmark.purpose, time.monotonic() - began, figures, error)


def _check(benchmark: Benchmark, figures: Sequence[Figure]) -> None:
    names = [figure.name for figure in figures]
    strange = [name for name in names if not name.startswith(f"{benchmark.name}.")]
    if not names or strange or len(set(names)) != len(names):
        raise ValueError(f"{benchmark.name} gives no figures, doubles names, or uses others' names: {strange}")


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raises TimeoutError inside the block once the time is over. In the main thread alone."""

    def ring(number: int, frame: Any) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
