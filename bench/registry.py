"""All benchmarks in the order in which they run, the targets, and the ratios of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.figures import Figure
from bench.scene import Scene
from bench.suite import commands, profile

__all__ = ["BENCHMARKS", "RATIOS", "TARGETS", "Benchmark", "Ratio", "Target"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark.

    Args:
        name: for ``--only``; its figures' names begin with it.
        purpose: what it measures, in a line.
        run: measures.
        limit: seconds after which it is given up.
    """

    name: str
    purpose: str
    run: Callable[[Scene], list[Figure]]
    limit: int


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure's median should reach on two cores.

    Args:
        figure: its name.
        bound: the value.
        unit: of the figure; a run in which it differs fails its test.
        at_least: whether the median should be at least the bound, else at most.
        what: the target in words.
    """

    figure: str
    bound: float
    unit: str
    at_least: bool
    what: str

    def is_met(self, median: float) -> bool:
        """Whether this median reaches the target."""
        return median >= self.bound if self.at_least else median <= self.bound


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of one figure over that of another, of the same run.

    Args:
        name: what it compares.
        numerator, denominator: names of figures with one unit.
    """

    name: str
    numerator: str
    denominator: str


BENCHMARKS = (
    Benchmark("commands", "commands a second through the whole path, until their root is settled", commands.run, 240),
    Benchmark("profile", "one command step by step: host, enclave, executor, chain", profile.run, 240),
)

TARGETS = (
    Target("commands.python", 300, "commands/s", True, "Python commands a second"),
    Target("commands.raw", 1000, "commands/s", True, "raw-WASM commands a second"),
)

RATIOS = (
    Ratio("raw-WASM over Python commands", "commands.raw", "commands.python"),
)
