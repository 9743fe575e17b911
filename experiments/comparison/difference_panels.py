"""The panels of differences: where each run ended, and how far apart strategies are at each checkpoint."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from experiments.comparison.curve_panels import AXIS_NAMES
from experiments.comparison.figure_style import INK, PAPER, Comparison, coloured, colours, finish, percent
from experiments.comparison.verdict import MEASURES, capitalized, label

MOST_PAIRS = 3
"""With more pairs, only the end of the budget is drawn."""

_LETTERS = 52
_TITLE: Mapping[str, Any] = {"weight": "bold", "fontsize": 7.6}


def pairs_of_tests(comparison: Comparison) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """The tests that are drawn, by pair of strategies."""
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in comparison["tests"]:
        pairs.setdefault((row["first"], row["second"]), []).append(row)
    if len(pairs) > MOST_PAIRS:
        pairs = {pair: [row for row in rows if row["share"] == 1] for pair, rows in pairs.items()}
    return pairs


def pair_title(first: str, second: str) -> list[str]:
    """The lines that name a pair of strategies, none longer than a panel is wide."""
    return textwrap.wrap(f"{capitalized(label(first))} over {label(second)}", _LETTERS)


def num_rows(comparison: Comparison) -> int:
    """How many lines `differences_panel` has."""
    return sum(len(tests) + len(pair_title(*pair)) for pair, tests in pairs_of_tests(comparison).items())


def num_lines(comparison: Comparison) -> int:
    """How many lines the names of the strategies take in `ends_panel`."""
    return sum(1 + name.count("\n") for name in _names(comparison))


def ends_panel(axes: Axes, *, comparison: Comparison) -> None:
    """One dot for the last incumbent of each run, beside the mean with its interval."""
    for place, (each, colour) in enumerate(coloured(comparison)):
        ends = percent([run["final"] for run in each["runs"]])
        order = np.argsort(np.argsort(ends))
        spread = 0.16 * np.cos(2.4 * order)  # a fixed, even scatter: the same data give the same picture
        size = 16 if ends.size <= 30 else 6
        axes.scatter(ends, place - 0.14 + spread, s=size, color=colour, alpha=0.4, linewidths=0)
        mean, low, high = percent([each["final"][key] for key in ("value", "low", "high")])
        axes.plot([low, high], [place + 0.3, place + 0.3], color=colour, lw=1.6)
        axes.plot([mean], [place + 0.3], "o", color=colour, ms=5.5)
    _rows(axes, _names(comparison))
    finish(axes, "Where the runs end", "a dot a run; below, the mean with 95 % interval", "")
    axes.set_xlabel(f"{MEASURES[comparison['measure']].capitalize()} (%)")


def differences_panel(axes: Axes, *, comparison: Comparison) -> None:
    """The difference of means of each pair at each checkpoint, with its interval."""
    names: list[str] = []
    chosen = colours(comparison)
    for (first, second), rows in pairs_of_tests(comparison).items():
        for line in pair_title(first, second):
            text = axes.text(0, len(names), line, transform=axes.get_yaxis_transform(), va="center", **_TITLE)
            text.set_in_layout(False)
            names.append("")
        for row in rows:
            value, low, high = percent([row["difference"][key] for key in ("value", "low", "high")])
            colour, face = chosen[first], chosen[first] if row["shown"] else PAPER
            axes.plot([low, high], [len(names)] * 2, color=colour, lw=1.4)
            axes.plot([value], [len(names)], "o", color=colour, mfc=face, ms=5.5)
            names.append(_checkpoint(row))
    axes.axvline(0, color=INK, lw=0.8, zorder=1)
    _rows(axes, names)
    finish(axes, "How far they are apart", "difference of means, 95 % interval; filled: shown by the test", "")
    axes.set_xlabel(f"Points of {MEASURES[comparison['measure']]}")


def _names(comparison: Comparison) -> list[str]:
    return [capitalized(label(each["name"])).replace(", ", "\n") for each in comparison["strategies"]]


def _checkpoint(row: Mapping[str, Any]) -> str:
    if row["axis"] == "trials":
        return f"{row['point']:.0f} trials"
    return f"equal {AXIS_NAMES[row['axis']].lower()}"


def _rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
