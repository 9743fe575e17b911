"""The figure of differences: the final value of each run, and differences of strategies at each checkpoint."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.comparison.figure_style import INK, PAPER, coloured, colours, finish, percent, style
from experiments.comparison.formatting import AXIS_NAMES, MEASURES, capitalized, label
from experiments.comparison.results import Comparison, PairTest
from experiments.comparison.statistics import Interval

MAX_PAIRS = 3
"""With more pairs, only the tests at the end of the budget are drawn."""

_LETTERS = 52
_TITLE: Mapping[str, Any] = {"weight": "bold", "fontsize": 7.6}


def pairs_of_tests(comparison: Comparison) -> dict[tuple[str, str], list[PairTest]]:
    """Returns the tests to draw, by pair of strategies."""
    pairs: dict[tuple[str, str], list[PairTest]] = {}
    for test in comparison.tests:
        pairs.setdefault((test.first, test.second), []).append(test)
    if len(pairs) > MAX_PAIRS:
        pairs = {pair: [test for test in tests if test.share == 1] for pair, tests in pairs.items()}
    return pairs


def pair_title(first: str, second: str) -> list[str]:
    """Returns the lines that name a pair of strategies, none wider than a panel."""
    return textwrap.wrap(f"{capitalized(label(first))} over {label(second)}", _LETTERS)


def num_rows(comparison: Comparison) -> int:
    """Returns the number of lines of `differences_panel`."""
    return sum(len(tests) + len(pair_title(*pair)) for pair, tests in pairs_of_tests(comparison).items())


def draw_differences(comparison: Comparison) -> Figure:
    """Draws the final value of each run and the differences of strategies at the checkpoints."""
    ends = max(0.42 * len(comparison.strategies), 0.17 * sum(1 + name.count("\n") for name in _names(comparison)))
    height = max(2.6, 0.9 + 0.23 * num_rows(comparison), 1.1 + ends)
    with style():
        figure = Figure(figsize=(8.4, height), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
        ends_panel(left, comparison=comparison)
        differences_panel(right, comparison=comparison)
    return figure


def ends_panel(axes: Axes, *, comparison: Comparison) -> None:
    """Draws the final value of each run as a dot, beside the mean with its interval."""
    for place, (each, colour) in enumerate(coloured(comparison)):
        ends = percent([run.final for run in each.runs])
        order = np.argsort(np.argsort(ends))
        spread = 0.16 * np.cos(2.4 * order)  # deterministic jitter
        size = 16 if ends.size <= 30 else 6
        axes.scatter(ends, place - 0.14 + spread, s=size, color=colour, alpha=0.4, linewidths=0)
        _draw_interval(axes, each.final, place + 0.3, colour)
    _rows(axes, _names(comparison))
    finish(axes, "Final values", "one dot per run; below, the mean with 95 % interval", "")
    axes.set_xlabel(f"{MEASURES[comparison.measure].capitalize()} (%)")


def differences_panel(axes: Axes, *, comparison: Comparison) -> None:
    """Draws the difference of means of each pair at each checkpoint, with its interval."""
    names: list[str] = []
    chosen = colours(comparison)
    for (first, second), tests in pairs_of_tests(comparison).items():
        for line in pair_title(first, second):
            text = axes.text(0, len(names), line, transform=axes.get_yaxis_transform(), va="center", **_TITLE)
            text.set_in_layout(False)
            names.append("")
        for test in tests:
            _draw_interval(axes, test.difference, len(names), chosen[first], filled=test.shown)
            names.append(_checkpoint(test))
    axes.axvline(0, color=INK, lw=0.8, zorder=1)
    _rows(axes, names)
    finish(axes, "Differences", "difference of means, 95 % interval; filled: significant", "")
    axes.set_xlabel(f"Points of {MEASURES[comparison.measure]}")


def _names(comparison: Comparison) -> list[str]:
    return [capitalized(label(each.name)).replace(", ", "\n") for each in comparison.strategies]


def _checkpoint(test: PairTest) -> str:
    return f"{test.point:.0f} trials" if test.axis == "trials" else f"equal {AXIS_NAMES[test.axis].lower()}"


def _draw_interval(axes: Axes, interval: Interval, height: float, colour: str, *, filled: bool = True) -> None:
    low, value, high = percent([interval.low, interval.value, interval.high])
    axes.plot([low, high], [height, height], color=colour, lw=1.5)
    axes.plot([value], [height], "o", color=colour, mfc=colour if filled else PAPER, ms=5.5)


def _rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
