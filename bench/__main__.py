"""``python -m bench``: runs the suite, or a part of it, and writes what was found."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import describe_machine, describe_source
from bench.network import ROOT
from bench.plots import make_plots
from bench.registry import BENCHMARKS, Benchmark
from bench.report import make_document, make_markdown
from bench.runner import run_all
from bench.scene import Scene

RESULTS = ROOT / "bench" / "results"
REFERENCE = ROOT / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 1 where a benchmark failed."""
    options = _parser().parse_args(arguments)
    if options.list:
        for benchmark in BENCHMARKS:
            print(f"{benchmark.name:12} {benchmark.purpose}")
        return 0
    chosen = _choose(options.only)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    machine, source = describe_machine(), describe_source(ROOT)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Scene(Path(folder), quick=options.quick) as scene:
        outcomes = run_all(chosen, scene)
    document = make_document(outcomes, machine, source, quick=options.quick, started=started)
    folder_out, name = (REFERENCE, "benchmarks") if options.reference else (options.out, "latest")
    written = write_results(document, folder_out, name)
    _print_summary(document, written)
    return 1 if any(outcome.error for outcome in outcomes) else 0


def write_results(document: dict[str, Any], folder: Path, name: str) -> Path:
    """Writes ``name.json``, ``name.md`` and a folder ``name`` of plots; the Markdown file's path."""
    plots = make_plots(document)
    (folder / name).mkdir(parents=True, exist_ok=True)
    for file, (_, drawing) in plots.items():
        (folder / name / file).write_text(drawing, "utf-8")
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    page = folder / f"{name}.md"
    page.write_text(make_markdown(document, [(title, f"{name}/{file}") for file, (title, _) in plots.items()]), "utf-8")
    return page


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", metavar="NAMES", help="run these alone, separated by commas")
    parser.add_argument("--quick", action="store_true", help="little work: shows that everything runs, not how fast")
    parser.add_argument("--list", action="store_true", help="name the benchmarks")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of latest.json, latest.md and plots")
    parser.add_argument("--reference", action="store_true", help="write docs/benchmarks.* instead, to be committed")
    return parser


def _choose(only: str | None) -> list[Benchmark]:
    if only is None:
        return list(BENCHMARKS)
    names = [name.strip() for name in only.split(",")]
    unknown = set(names) - {benchmark.name for benchmark in BENCHMARKS}
    if unknown:
        raise SystemExit(f"there is no benchmark {', '.join(sorted(unknown))}: see --list")
    return [benchmark for benchmark in BENCHMARKS if benchmark.name in names]


def _print_summary(document: dict[str, Any], page: Path) -> None:
    for row in document["targets"]:
        if row["met"] is not None:
            verdict = "met   " if row["met"] else "missed"
            print(f"{verdict} {row['what']}: {row['median']:,.1f} {row['unit']} (target {row['bound']:,.0f})")
    print(f"written to {page}")


if __name__ == "__main__":
    sys.exit(main())
