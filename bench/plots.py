"""Bars as SVG, written by hand: no library is worth a dependency for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from bench.report import format_number

__all__ = ["Bar", "draw_bars", "make_plots"]

_WIDTH, _ROW, _LABEL, _VALUE, _TOP = 860, 24, 330, 130, 44
_TOP_STEPS = 16
_COLOURS = {"plain": "#4878a8", "met": "#3f8f5f", "missed": "#c05545"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: label, value with its quartiles, and a mark where a target stands (or None).

    Args:
        colour: ``plain``, ``met`` or ``missed``.
    """

    label: str
    value: float
    first_quartile: float
    third_quartile: float
    mark: float | None = None
    colour: str = "plain"


def draw_bars(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """An SVG document; lengths share one scale that begins at zero."""
    greatest = max(max(bar.value, bar.third_quartile, bar.mark or 0.0) for bar in bars) or 1.0
    scale = (_WIDTH - _LABEL - _VALUE) / greatest
    height = _TOP + _ROW * len(bars) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="26" font-size="16" fill="#222222">{escape(title)} ({escape(unit)})</text>',
    ]
    for at, bar in enumerate(bars):
        parts += _draw_bar(bar, _TOP + _ROW * at, scale)
    return "\n".join([*parts, "</svg>", ""])


def _draw_bar(bar: Bar, top: int, scale: float) -> list[str]:
    middle, end = top + _ROW // 2, _LABEL + bar.value * scale
    low, high = _LABEL + bar.first_quartile * scale, _LABEL + bar.third_quartile * scale
    lines = [
        f'<text x="{_LABEL - 8}" y="{middle + 4}" text-anchor="end" fill="#222222">{escape(bar.label)}</text>',
        f'<rect x="{_LABEL}" y="{top + 4}" width="{max(end - _LABEL, 0.5):.1f}" height="{_ROW - 8}" '
        f'fill="{_COLOURS[bar.colour]}"/>',
        f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#222222" stroke-width="1.5"/>',
        f'<text x="{max(end, high) + 8:.1f}" y="{middle + 4}" fill="#222222">{format_number(bar.value)}</text>',
    ]
    if bar.mark is not None:
        place = _LABEL + bar.mark * scale
        lines.append(f'<path d="M{place:.1f} {top + 1}v{_ROW - 2}" stroke="#222222" stroke-dasharray="3 2"/>')
    return lines


def make_plots(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """File name -> (title, SVG), for what this run has."""
    figures = {figure["name"]: figure for benchmark in document["benchmarks"] for figure in benchmark["figures"]}
    plots: dict[str, tuple[str, str]] = {}
    targets = [row for row in document["targets"] if row["met"] is not None and row["unit"].endswith("/s")]
    if targets:
        title = "Throughput; dashed: the target"
        bars = [_target_bar(row, figures[row["figure"]]) for row in targets]
        plots["throughput.svg"] = (title, draw_bars(title, "a second", bars))
    for language in ("python", "raw"):
        steps = [figure for name, figure in figures.items() if _is_step(name, language)]
        steps.sort(key=lambda figure: -figure["median"])
        if steps:
            title = f"One {language} command, its largest steps"
            prefix = len(f"profile.{language}.")
            bars = [_bar(figure["name"][prefix:], figure) for figure in steps[:_TOP_STEPS]]
            plots[f"profile-{language}.svg"] = (title, draw_bars(title, "us", bars))
    gas = [figure for name, figure in figures.items() if name.startswith("gas.batch of ")]
    if gas:
        title = "Gas of a sealed command by batch"
        plots["gas.svg"] = (title, draw_bars(title, "gas", [_bar(figure["name"][4:], figure) for figure in gas]))
    return plots


def _is_step(name: str, language: str) -> bool:
    prefix = f"profile.{language}."
    return name.startswith(prefix) and not name[len(prefix) :].startswith(("sum.", "submit "))


def _target_bar(row: dict[str, Any], figure: dict[str, Any]) -> Bar:
    colour = "met" if row["met"] else "missed"
    quartiles = figure["first_quartile"], figure["third_quartile"]
    return Bar(row["what"], figure["median"], *quartiles, mark=row["bound"], colour=colour)


def _bar(label: str, figure: dict[str, Any]) -> Bar:
    return Bar(label, figure["median"], figure["first_quartile"], figure["third_quartile"])
