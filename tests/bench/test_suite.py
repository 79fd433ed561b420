"""The cheap benchmarks once, with little work: real engine, real chain, real commands; speed is not judged."""

from __future__ import annotations

import json

import pytest

from bench.__main__ import REFERENCE, main
from bench.plots import make_plots
from bench.registry import TARGETS
from bench.report import SCHEMA, make_markdown
from bench.suite import baseline, gas
from coprocessor.protocol.commands import COMMAND_OVERHEAD
from coprocessor.protocol.links import MAX_LINK_PAYLOAD


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """Figures by benchmark, of a run as ``make bench`` starts it."""
    folder = tmp_path_factory.mktemp("results")
    assert main(["--quick", "--only", "baseline,fresh_call,attestation,keys,gas", "--out", str(folder)]) == 0
    document = json.loads((folder / "latest.json").read_text())
    assert document["quick"] is True
    assert (folder / "latest.md").exists()
    return {
        benchmark["name"]: {figure["name"]: figure["median"] for figure in benchmark["figures"]}
        for benchmark in document["benchmarks"]
    }


def test_benchmarks_run_in_the_order_of_the_registry(results: dict[str, dict[str, float]]) -> None:
    assert list(results) == ["fresh_call", "attestation", "keys", "gas", "baseline"]
    assert all(value > 0 for figures in results.values() for value in figures.values())


def test_gas_is_within_its_target_and_falls_with_the_batch(results: dict[str, dict[str, float]]) -> None:
    figures = results["gas"]
    by_size = [figures[f"gas.batch of {size}.200 bytes"] for size in gas.BATCHES]
    assert by_size == sorted(by_size, reverse=True)
    (target,) = [target for target in TARGETS if target.figure in figures]
    assert target.is_met(figures[target.figure])
    assert figures["gas.settle, 1 signed"] < figures["gas.settle, 2 signed"] < figures["gas.settle, 3 signed"]


def test_the_sealed_command_has_200_bytes_and_the_largest_batch_fills_a_link() -> None:
    """PROTOCOL 4.3: 150 of the 200 bytes are not arguments."""
    assert (gas.SEALED_BYTES - COMMAND_OVERHEAD, gas.SEALED_BYTES + gas.HANDLE_BYTES) == (50, 200)
    sizes = [len(gas.seal_batch(size)) for size in (1, 10)]
    largest = sizes[0] + (gas.LARGEST_BATCH - 1) * (sizes[1] - sizes[0]) // 9
    assert largest <= MAX_LINK_PAYLOAD < largest + (sizes[1] - sizes[0]) // 9


def test_the_token_on_the_chain_compiles() -> None:
    code, interface = baseline.compile_token()
    assert len(code) > 100
    assert interface.function("transfer").inputs == ("address", "uint256")


def test_the_reference_run_is_whole_and_its_page_is_made_from_it() -> None:
    """``docs/benchmarks.*`` come from one run of ``make bench BENCH=--reference``."""
    kept, page = REFERENCE / "benchmarks.json", REFERENCE / "benchmarks.md"
    assert kept.exists() == page.exists()
    if not kept.exists():
        return
    document = json.loads(kept.read_text("utf-8"))
    plots = make_plots(document)
    places = [(title, f"benchmarks/{name}") for name, (title, _) in plots.items()]
    assert (document["schema"], document["quick"]) == (SCHEMA, False)
    assert page.read_text("utf-8") == make_markdown(document, places)
    assert [benchmark["error"] for benchmark in document["benchmarks"]] == [""] * len(document["benchmarks"])
    drawn = {path.name: path.read_text("utf-8") for path in (REFERENCE / "benchmarks").iterdir()}
    assert drawn == {name: drawing for name, (_, drawing) in plots.items()}
