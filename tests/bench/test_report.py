"""What a run writes: the document's fields, the targets, the ratios, the page and the plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.__main__ import main, write_results
from bench.figures import Figure, per_second
from bench.plots import Bar, draw_bars
from bench.registry import BENCHMARKS, RATIOS, TARGETS, Benchmark
from bench.report import SCHEMA, compare_targets, compute_ratios, format_number, make_document
from bench.runner import Outcome, run_all
from bench.scene import Scene

MACHINE = {"processor": "P", "cores": 2, "memory_gb": 8.0, "system": "S", "python": "3", "libraries": {}, "load": 0.1}


def outcome(name: str, *figures: Figure, error: str = "") -> Outcome:
    return Outcome(name, "a purpose", 1.5, figures, error)


def document(*outcomes: Outcome, quick: bool = False) -> dict[str, Any]:
    return make_document(outcomes, MACHINE, {"commit": "ab" * 20}, quick=quick, started="2026-01-01T00:00:00+00:00")


def test_a_figure_tells_its_median_and_spread() -> None:
    figure = Figure("a.b", "us", (5.0, 1.0, 4.0, 2.0, 3.0), "lower", "how")
    assert figure.to_json() == {
        "name": "a.b",
        "unit": "us",
        "better": "lower",
        "median": 3.0,
        "min": 1.0,
        "first_quartile": 2.0,
        "third_quartile": 4.0,
        "max": 5.0,
        "count": 5,
        "note": "how",
    }
    assert Figure("a.b", "us", (7.0, 9.0)).quartiles == (7.0, 9.0)
    assert per_second(10, (2.0, 5.0)) == (5.0, 2.0)
    with pytest.raises(ValueError, match="needs a name"):
        Figure("a.b", "us", ())


def test_names_of_benchmarks_are_distinct_and_targets_belong_to_them() -> None:
    names = [benchmark.name for benchmark in BENCHMARKS]
    assert len(set(names)) == len(names)
    quoted = [target.figure for target in TARGETS]
    quoted += [figure for ratio in RATIOS for figure in (ratio.numerator, ratio.denominator)]
    assert len({target.figure for target in TARGETS}) == len(TARGETS)
    assert {name.split(".")[0] for name in quoted} <= set(names)


def test_the_targets_are_those_of_the_project() -> None:
    assert {(target.figure, target.at_least, target.bound) for target in TARGETS} == {
        ("commands.python", True, 300),
        ("epochs.100 programs.closed", False, 60),
        ("commands.raw", True, 1000),
        ("queries.python", True, 250),
        ("queries.raw", True, 500),
        ("gas.batch of 100.200 bytes", False, 8500),
        ("keys.worker, 3 of 5", False, 8),
        ("keys.worker, 14 of 20", False, 15),
        ("keys.gatekeeper", False, 0.7),
        ("keys.DKG of 20", False, 4),
        ("keys.refresh of 20", False, 3),
        ("keys.reshare of 20", False, 3),
        ("recovery.raw", False, 12),
        ("recovery.python", False, 45),
        ("demo.seconds", False, 60),
        ("memory.python.worker", False, 600),
    }


@pytest.mark.parametrize(("median", "met"), [(300.0, True), (299.9, False), (None, None)])
def test_a_target_is_met_missed_or_not_measured(median: float | None, met: bool | None) -> None:
    medians = {} if median is None else {"commands.python": (median, "commands/s")}
    row = next(row for row in compare_targets(medians) if row["figure"] == "commands.python")
    assert (row["median"], row["met"]) == (median, met)


def test_an_upper_bound_is_met_from_below() -> None:
    target = next(target for target in TARGETS if not target.at_least)
    assert [target.is_met(target.bound + more) for more in (-1, 0, 1)] == [True, True, False]


def test_units_that_differ_are_an_error() -> None:
    with pytest.raises(ValueError, match="its target in commands/s"):
        compare_targets({"commands.python": (300.0, "us")})
    ratio = RATIOS[0]
    with pytest.raises(ValueError, match="compares"):
        compute_ratios({ratio.numerator: (1.0, "us"), ratio.denominator: (1.0, "s")})


def test_ratios_need_both_figures_of_the_run() -> None:
    ratio = RATIOS[0]
    assert compute_ratios({ratio.numerator: (1.0, "us")}) == []
    (row,) = compute_ratios({ratio.numerator: (6.0, "us"), ratio.denominator: (4.0, "us")})
    assert (row["name"], row["value"]) == (ratio.name, 1.5)


def test_the_document_and_what_is_written(tmp_path: Path) -> None:
    steps = [Figure(f"profile.python.step {at}", "us", (float(at), at + 1.0)) for at in range(20)]
    made = document(
        outcome("commands", Figure("commands.python", "commands/s", (290.0, 310.0, 320.0), "higher", "a | note")),
        outcome("profile", *steps, Figure("profile.python.sum.enclave", "us", (100.0,))),
        outcome("gas", Figure("gas.batch of 100.200 bytes", "gas/command", (8600.0,))),
        outcome("demo", error="TimeoutError: <too long> & more"),
    )
    assert set(made) == {
        "schema", "started", "quick", "seconds", "machine", "source", "targets", "ratios", "benchmarks",
    }  # fmt: skip
    assert (made["schema"], made["seconds"], made["quick"]) == (SCHEMA, 6.0, False)
    assert [set(row) for row in made["benchmarks"]] == 4 * [{"name", "purpose", "seconds", "error", "figures"}]
    page = write_results(made, tmp_path / "out", "latest").read_text()
    assert json.loads((tmp_path / "out" / "latest.json").read_text()) == made
    assert "| Python commands a second | at least 300 commands/s | 310 commands/s | met |" in page
    assert "| 8,600 gas/command | **missed** |" in page
    assert "| at most 60 s | not measured |" in page
    assert "**Failed:** TimeoutError: <too long> & more" in page
    assert "Largest steps of a python command: step 19 19.5 us, step 18 18.5 us, step 17 17.5 us." in page
    drawings = sorted((tmp_path / "out" / "latest").iterdir())
    assert [path.name for path in drawings] == ["gas.svg", "profile-python.svg", "throughput.svg"]
    for path in drawings:
        assert f"](latest/{path.name})" in page
        assert ElementTree.fromstring(path.read_text()).tag.endswith("svg")


def test_a_quick_run_says_so(tmp_path: Path) -> None:
    page = write_results(document(outcome("demo", error="x"), quick=True), tmp_path, "latest").read_text()
    assert "only show that everything runs" in page


def test_bars_share_a_scale_and_escape_their_labels() -> None:
    drawing = draw_bars("a < b", "s", [Bar("x & y", 10.0, 9.0, 11.0, mark=20.0), Bar("z", 0.0, 0.0, 0.0)])
    root = ElementTree.fromstring(drawing)
    widths = [float(rect.attrib["width"]) for rect in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert widths == [200.0, 0.5]
    assert "x & y" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("value", "shown"), [(12345.6, "12,346"), (100.4, "100"), (7.0, "7"), (7.126, "7.13"), (0.01234, "0.0123")]
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert format_number(value) == shown


def fails(scene: Scene) -> list[Figure]:
    raise RuntimeError("no luck")


def hangs(scene: Scene) -> list[Figure]:
    while True:
        pass


def misnames(scene: Scene) -> list[Figure]:
    return [Figure("other.name", "s", (1.0,))]


def works(scene: Scene) -> list[Figure]:
    return [Figure("works.a", "s", (1.0,))]


def test_a_benchmark_that_fails_or_hangs_loses_only_itself(tmp_path: Path) -> None:
    suite = [Benchmark(function.__name__, "", function, 1) for function in (fails, hangs, misnames, works)]
    with Scene(tmp_path, quick=True, echo=False) as scene:
        outcomes = run_all(suite, scene)
    assert [found.error.split(":")[0] for found in outcomes] == ["RuntimeError", "TimeoutError", "ValueError", ""]
    assert [figure.name for found in outcomes for figure in found.figures if not found.error] == ["works.a"]


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="there is no benchmark nonsense"):
        main(["--only", "commands,nonsense"])
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [one.name for one in BENCHMARKS]
