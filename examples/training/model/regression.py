"""Softmax regression by gradient descent, in plain Python: no library, and the same bits on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["Row", "Weights", "descend", "mean_loss", "most_likely", "probabilities", "zeros"]

Row = tuple[float, ...]
"""Features of one example; the last one is 1.0 and carries the bias."""

Weights = list[list[float]]
"""By class, then by feature."""


def zeros(classes: int, features: int) -> Weights:
    """Where training starts."""
    return [[0.0] * features for _ in range(classes)]


def probabilities(weights: Weights, row: Row) -> list[float]:
    """How likely each class is; they sum to 1."""
    scores = [sum(map(float.__mul__, of_class, row)) for of_class in weights]
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def most_likely(weights: Weights, row: Row) -> int:
    """The class with the highest probability; the first of equals."""
    found = probabilities(weights, row)
    return found.index(max(found))


def mean_loss(weights: Weights, rows: Sequence[Row], labels: Sequence[int]) -> float:
    """Cross-entropy in nats."""
    losses = (-math.log(probabilities(weights, row)[label]) for row, label in zip(rows, labels, strict=True))
    return math.fsum(losses) / len(rows)


def descend(weights: Weights, rows: Sequence[Row], labels: Sequence[int], rate: float) -> Weights:
    """The weights after one step down the gradient over all rows: one epoch."""
    gradient = zeros(len(weights), len(weights[0]))
    for row, label in zip(rows, labels, strict=True):
        errors = probabilities(weights, row)
        errors[label] -= 1.0
        for of_class, error in zip(gradient, errors, strict=True):
            for feature, value in enumerate(row):
                of_class[feature] += error * value
    step = rate / len(rows)
    return [
        [weight - step * slope for weight, slope in zip(of_class, slopes, strict=True)]
        for of_class, slopes in zip(weights, gradient, strict=True)
    ]
