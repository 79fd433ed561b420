"""A classifier that learns inside the sandbox: the model is the program's state, training is a command.

What it reports is as provable as any other result: a receipt shows that this code, on this data, came to this loss and
this accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowers import SPECIES, Examples, prepare
from regression import descend, mean_loss, most_likely, probabilities, zeros

from phat import Contract, Error, command, query, read_data

RATE = 1.0

FLOWERS = prepare(read_data("iris.csv").decode())
"""Read once, when the program is loaded: part of its snapshot."""

FEATURES = len(FLOWERS.training.rows[0])


@dataclass(frozen=True)
class Report:
    """How far training is; the held-out flowers took no part in it."""

    epochs: int
    loss: float
    training_correct: int
    training_flowers: int
    held_out_correct: int
    held_out_flowers: int


class Classifier(Contract):
    """Tells three species of iris apart by the sizes of their leaves."""

    weights: list[list[float]] = zeros(len(SPECIES), FEATURES)
    epochs: int = 0

    @command
    def train(self, epochs: int) -> Report:
        """Goes on for so many epochs; how many fit is a matter of the fuel limit alone."""
        if epochs < 1:
            raise Error("train for at least one epoch")
        weights, examples = self.weights, FLOWERS.training
        for _ in range(epochs):
            weights = descend(weights, examples.rows, examples.labels, RATE)
        self.weights = weights
        self.epochs += epochs
        return self._report()

    @query
    def report(self) -> Report:
        """How good the model is now."""
        return self._report()

    @query
    def model(self) -> list[list[float]]:
        """The weights, by species and feature."""
        return self.weights

    @query
    def classify(
        self, sepal_length: float, sepal_width: float, petal_length: float, petal_width: float
    ) -> dict[str, float]:
        """How likely each species is for a flower with these sizes in centimetres."""
        row = FLOWERS.standardise((sepal_length, sepal_width, petal_length, petal_width))
        return dict(zip(SPECIES, probabilities(self.weights, row), strict=True))

    def _report(self) -> Report:
        training, held_out = FLOWERS.training, FLOWERS.held_out
        return Report(
            epochs=self.epochs,
            loss=mean_loss(self.weights, training.rows, training.labels),
            training_correct=self._count_correct(training),
            training_flowers=len(training),
            held_out_correct=self._count_correct(held_out),
            held_out_flowers=len(held_out),
        )

    def _count_correct(self, examples: Examples) -> int:
        weights = self.weights
        pairs = zip(examples.rows, examples.labels, strict=True)
        return sum(most_likely(weights, row) == label for row, label in pairs)
