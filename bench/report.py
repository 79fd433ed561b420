"""The results of a run: one JSON document, and the same in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.registry import RATIOS, TARGETS
from bench.runner import Outcome

__all__ = ["SCHEMA", "compare_targets", "compute_ratios", "format_number", "make_document", "make_markdown"]

SCHEMA = 1
"""Version of the document's fields."""

_TOP = 3


def make_document(
    outcomes: Sequence[Outcome], machine: dict[str, Any], source: dict[str, Any], *, quick: bool, started: str
) -> dict[str, Any]:
    """Everything that was found, as JSON.

    Args:
        outcomes: of the benchmarks that ran.
        machine, source: see ``machine``.
        quick: a smoke run, whose figures say nothing.
        started: date and time, ISO 8601, UTC.
    """
    benchmarks = [outcome.to_json() for outcome in outcomes]
    medians = _medians(benchmarks)
    return {
        "schema": SCHEMA,
        "started": started,
        "quick": quick,
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
        "machine": machine,
        "source": source,
        "targets": compare_targets(medians),
        "ratios": compute_ratios(medians),
        "benchmarks": benchmarks,
    }


def compare_targets(medians: dict[str, tuple[float, str]]) -> list[dict[str, Any]]:
    """Each target with what was measured; ``met`` is None where that was not."""
    rows = []
    for target in TARGETS:
        median, unit = medians.get(target.figure, (None, target.unit))
        if unit != target.unit:
            raise ValueError(f"{target.figure} is in {unit}, its target in {target.unit}")
        rows.append(
            {
                "figure": target.figure,
                "what": target.what,
                "bound": target.bound,
                "at_least": target.at_least,
                "unit": target.unit,
                "median": median,
                "met": None if median is None else target.is_met(median),
            }
        )
    return rows


def compute_ratios(medians: dict[str, tuple[float, str]]) -> list[dict[str, Any]]:
    """The ratios whose two figures this run has."""
    rows = []
    for ratio in RATIOS:
        if ratio.numerator not in medians or ratio.denominator not in medians:
            continue
        (above, unit), (below, other) = medians[ratio.numerator], medians[ratio.denominator]
        if unit != other:
            raise ValueError(f"{ratio.name} compares {unit} with {other}")
        if below:
            row = {"name": ratio.name, "value": above / below}
            rows.append(row | {"numerator": ratio.numerator, "denominator": ratio.denominator})
    return rows


def make_markdown(document: dict[str, Any], plots: Sequence[tuple[str, str]]) -> str:
    """The document for people; ``plots`` are (title, path) of images."""
    lines = ["# Benchmarks", "", *_introduction(document), "", "## Targets", ""]
    lines += _table(("target", "bound", "measured", ""), [_target_row(row) for row in document["targets"]])
    if document["ratios"]:
        lines += ["", "## Ratios, taken in this run", ""]
        lines += _table(("", "ratio"), [(row["name"], format_number(row["value"])) for row in document["ratios"]])
    for title, path in plots:
        lines += ["", f"![{title}]({path})"]
    for benchmark in document["benchmarks"]:
        lines += ["", *_section(benchmark)]
    return "\n".join(lines) + "\n"


def format_number(value: float) -> str:
    """Three digits that count, thousands separated."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _medians(benchmarks: Sequence[dict[str, Any]]) -> dict[str, tuple[float, str]]:
    figures = [figure for benchmark in benchmarks for figure in benchmark["figures"]]
    return {figure["name"]: (figure["median"], figure["unit"]) for figure in figures}


def _introduction(document: dict[str, Any]) -> list[str]:
    machine, source = document["machine"], document["source"]
    commit = source.get("commit", "")[:12] + (" with changes" if source.get("changed") else "")
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items() if number)
    lines = [
        "Made by `make bench`; every figure is the median of several repetitions, with its spread. Ratios are between",
        "figures of the same run. Development chain, SIMULATED TEE: all processes share the cores of this one machine.",
        "",
        f"- machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}",
        f"- software: Python {machine['python']}, {libraries}",
        f"- started {document['started']}, took {document['seconds']:.0f} s; load before it {machine['load']}",
    ]
    if commit:
        lines.append(f"- source: {commit}")
    if document["quick"]:
        lines.append("- **quick run: these figures only show that everything runs**")
    return lines


def _target_row(row: dict[str, Any]) -> tuple[str, ...]:
    bound = f"{'at least' if row['at_least'] else 'at most'} {format_number(row['bound'])} {row['unit']}"
    if row["met"] is None:
        return row["what"], bound, "not measured", ""
    return row["what"], bound, f"{format_number(row['median'])} {row['unit']}", "met" if row["met"] else "**missed**"


def _section(benchmark: dict[str, Any]) -> list[str]:
    lines = [f"## {benchmark['name']}", "", f"{benchmark['purpose'][:1].upper()}{benchmark['purpose'][1:]}.", ""]
    if benchmark["error"]:
        return [*lines, f"**Failed:** {benchmark['error']}"]
    lines += _largest_steps(benchmark["figures"]) if benchmark["name"] == "profile" else []
    rows = [_figure_row(figure) for figure in benchmark["figures"]]
    return lines + _table(("figure", "median", "min", "quartiles", "unit", "n", ""), rows)


def _figure_row(figure: dict[str, Any]) -> tuple[str, ...]:
    spread = f"{format_number(figure['first_quartile'])} to {format_number(figure['third_quartile'])}"
    median, least = format_number(figure["median"]), format_number(figure["min"])
    return figure["name"], median, least, spread, figure["unit"], str(figure["count"]), figure["note"]


def _largest_steps(figures: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each language: where most of a command's time goes."""
    lines = []
    for language in ("python", "raw"):
        prefix = f"profile.{language}."
        steps = {figure["name"].removeprefix(prefix): figure["median"] for figure in figures}
        single = {
            name: spent for name, spent in steps.items() if not name.startswith(("profile.", "sum.", "submit "))
        }
        top = sorted(single, key=lambda name: -single[name])[:_TOP]
        if top:
            named = ", ".join(f"{name} {format_number(single[name])} us" for name in top)
            lines.append(f"Largest steps of a {language} command: {named}.")
    return [*lines, ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
