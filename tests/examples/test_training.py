"""Training: the data, the program in the sandbox, and the same loop as a contract on a chain."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from coprocessor.sandbox.outcome import OutcomeKind
from tests.examples.modules import load_file
from tests.examples.scene import EXAMPLES, Failed, Scene, Theatre, refused

PATH = "training/model"
TABLE = (EXAMPLES / PATH / "iris.csv").read_text()
README = (EXAMPLES / "training" / "README.md").read_text()


@pytest.fixture(scope="module")
def flowers() -> Any:
    """The prepared data set, outside the sandbox."""
    return load_file(f"{PATH}/flowers.py").prepare(TABLE)


@pytest.fixture(scope="module")
def regression() -> ModuleType:
    """The loop, outside the sandbox."""
    return load_file(f"{PATH}/regression.py")


@pytest.fixture
def model(theatre: Theatre) -> Scene:
    """Untrained."""
    return theatre.open(PATH)


def learn(regression: ModuleType, examples: Any, epochs: int) -> list[list[float]]:
    """What the loop gives on this machine."""
    weights: list[list[float]] = regression.zeros(3, 5)
    for _ in range(epochs):
        weights = regression.descend(weights, examples.rows, examples.labels, 1.0)
    return weights


def close_to(weights: list[list[float]], tolerance: float = 1e-12) -> Any:
    """Equal but for rounding."""
    return [pytest.approx(of_class, abs=tolerance) for of_class in weights]


def test_data_are_fishers() -> None:
    """The sums of his four columns tell this table from the copies that have errors in rows 35 and 38."""
    rows = [line.split(",") for line in TABLE.splitlines()[1:]]
    assert [round(sum(float(row[column]) for row in rows), 1) for column in range(4)] == [876.5, 458.6, 563.7, 179.9]
    assert [row[4] for row in rows] == ["setosa"] * 50 + ["versicolor"] * 50 + ["virginica"] * 50
    assert [rows[34][:4], rows[37][:4]] == [["4.9", "3.1", "1.5", "0.2"], ["4.9", "3.6", "1.4", "0.1"]]


def test_held_out_flowers_are_apart_and_of_all_species(flowers: Any) -> None:
    assert (len(flowers.training), len(flowers.held_out)) == (120, 30)
    assert [flowers.held_out.labels.count(label) for label in range(3)] == [10, 10, 10]
    for feature in range(4):
        values = [row[feature] for row in flowers.training.rows]
        assert sum(values) / 120 == pytest.approx(0, abs=1e-12)
        assert sum(value * value for value in values) / 120 == pytest.approx(1)


def test_training_generalises(model: Scene) -> None:
    before = model.query("report")
    assert (before["epochs"], before["held_out_correct"], before["loss"]) == (0, 10, pytest.approx(1.0986, abs=1e-4))
    after = model.call("train", 100)
    assert after == model.query("report")
    assert (after["epochs"], after["training_flowers"], after["held_out_flowers"]) == (100, 120, 30)
    assert after["held_out_correct"] == 28
    assert after["loss"] < 0.13


def test_guest_learns_what_the_loop_gives_here(model: Scene, regression: ModuleType, flowers: Any) -> None:
    model.call("train", 10)
    assert model.query("model") == close_to(learn(regression, flowers.training, 10))


def test_training_in_parts_is_training_at_once_to_the_bit(theatre: Theatre) -> None:
    once, parts = theatre.open(PATH), theatre.open(PATH)
    once.call("train", 6)
    for epochs in (1, 2, 3):
        parts.call("train", epochs)
    assert once.query("model") == parts.query("model")
    assert once.query("report") == parts.query("report")


def test_fuel_is_a_function_of_the_work(theatre: Theatre) -> None:
    fuel = []
    for _ in range(2):
        scene = theatre.open(PATH)
        scene.call("train", 3)
        assert scene.last is not None
        fuel.append(scene.last.fuel)
    assert fuel[0] == fuel[1]
    assert fuel[0] < 100_000_000


def test_training_that_runs_out_of_fuel_changes_nothing(model: Scene) -> None:
    model.call("train", 1)
    before = model.query("model")
    with pytest.raises(Failed) as caught:
        model.call("train", 1000, fuel=100_000_000)
    assert caught.value.outcome.kind == OutcomeKind.EXHAUSTED
    assert model.writes == ()
    assert model.query("model") == before


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epochs_are_refused(model: Scene, epochs: int) -> None:
    with refused("train for at least one epoch"):
        model.call("train", epochs)


def test_it_tells_a_flower_from_its_sizes(model: Scene) -> None:
    model.call("train", 50)
    answer = model.query("classify", 5.1, 3.5, 1.4, 0.2)
    assert list(answer) == ["setosa", "versicolor", "virginica"]
    assert sum(answer.values()) == pytest.approx(1)
    assert answer["setosa"] > 0.9


def test_price_as_a_contract_is_measured_and_as_the_page_says(regression: ModuleType, flowers: Any) -> None:
    """The contract learns the same; what the page tells of its gas is what a chain charges."""
    chain_cost = load_file("training/chain_cost.py")
    assert chain_cost.is_measurable()
    examples = flowers.training
    cost = chain_cost.measure(examples.rows, examples.labels, 1.0)
    assert cost.weights == close_to(learn(regression, examples, 1))
    assert cost.extrapolate(1) == cost.first_epoch
    assert cost.extrapolate(3) == cost.first_epoch + 2 * cost.next_epoch
    assert cost.extrapolate(1000) > 30 * chain_cost.BLOCK_GAS
    for figure in (cost.first_epoch, cost.next_epoch, cost.extrapolate(1000)):
        assert f"{figure:,}" in README
