"""Fisher's iris flowers, standardised and split.

Every fifth flower is held out: 120 flowers to learn from and 30, ten of each species, to judge by. Mean and deviation
come from the 120 alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from regression import Row

__all__ = ["SPECIES", "Examples", "Flowers", "prepare"]

SPECIES = ("setosa", "versicolor", "virginica")

_HOLD_OUT_EVERY = 5


@dataclass(frozen=True)
class Examples:
    """Flowers as features, and the place of each one's species in ``SPECIES``."""

    rows: tuple[Row, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Flowers:
    """The data set, ready to learn from; ``scales`` are mean and deviation of each size in centimetres."""

    training: Examples
    held_out: Examples
    scales: tuple[tuple[float, float], ...]

    def standardise(self, sizes: Iterable[float]) -> Row:
        """Sizes in centimetres as features, with the 1.0 of the bias at the end."""
        return _standardise(self.scales, sizes)


def prepare(table: str) -> Flowers:
    """From the text of ``iris.csv``: a heading, then four sizes and the species."""
    flowers = [_read(line) for line in table.splitlines()[1:]]
    held_out = flowers[_HOLD_OUT_EVERY - 1 :: _HOLD_OUT_EVERY]
    kept = [flower for index, flower in enumerate(flowers, 1) if index % _HOLD_OUT_EVERY]
    scales = tuple(_measure(column) for column in zip(*(sizes for sizes, _ in kept), strict=True))
    return Flowers(_examples(scales, kept), _examples(scales, held_out), scales)


def _read(line: str) -> tuple[Row, int]:
    *sizes, species = line.split(",")
    return tuple(map(float, sizes)), SPECIES.index(species)


def _measure(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def _examples(scales: Sequence[tuple[float, float]], flowers: Sequence[tuple[Row, int]]) -> Examples:
    return Examples(tuple(_standardise(scales, sizes) for sizes, _ in flowers), tuple(label for _, label in flowers))


def _standardise(scales: Sequence[tuple[float, float]], sizes: Iterable[float]) -> Row:
    return *((size - mean) / deviation for size, (mean, deviation) in zip(sizes, scales, strict=True)), 1.0
