"""What a benchmark finds: figures, each a handful of repetitions in one unit."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Better", "Figure", "per_second", "repeat", "time_each"]

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity.

    Args:
        name: unique in a run, dotted; the part before the first dot is the benchmark's name.
        unit: of all values, for example ``commands/s`` or ``us``.
        values: one of each repetition, at least one.
        better: which direction is good; ``neither`` for shares and counts.
        note: how it was measured, where the name does not tell.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    better: Better = "lower"
    note: str = ""

    def __post_init__(self) -> None:
        if not self.values or not self.name or not self.unit:
            raise ValueError(f"figure {self.name!r} needs a name, a unit and at least one value")

    @property
    def median(self) -> float:
        """The figure as it is quoted."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile; the ends of the range where there are fewer than four values."""
        if len(self.values) < 4:
            return min(self.values), max(self.values)
        first, _, third = statistics.quantiles(self.values, n=4, method="inclusive")
        return first, third

    def to_json(self) -> dict[str, Any]:
        """As it stands in the results."""
        first, third = self.quartiles
        return {
            "name": self.name,
            "unit": self.unit,
            "better": self.better,
            "median": self.median,
            "min": min(self.values),
            "first_quartile": first,
            "third_quartile": third,
            "max": max(self.values),
            "count": len(self.values),
            "note": self.note,
        }


def repeat(count: int, measure: Callable[[], float]) -> tuple[float, ...]:
    """The values of so many repetitions."""
    return tuple(measure() for _ in range(count))


def time_each(function: Callable[[], Any], *, repetitions: int, calls: int) -> tuple[float, ...]:
    """Microseconds of one call: ``calls`` in a row make a repetition, after one call that is not counted."""
    function()

    def once() -> float:
        began = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - began) / calls * 1e6

    return repeat(repetitions, once)


def per_second(count: int, seconds: Sequence[float]) -> tuple[float, ...]:
    """Rates of ``count`` things in each of these times."""
    return tuple(count / each for each in seconds)
