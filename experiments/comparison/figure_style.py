"""Style of all figures, and writing them to files.

Colours are those of Okabe and Ito, which are safe for colour-blind readers; random search, the baseline, is grey.
Figures are made without pyplot and leave matplotlib's global settings unchanged.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from experiments.comparison.formatting import capitalized, label, plural
from experiments.comparison.results import Comparison, StrategySummary
from experiments.comparison.statistics import FloatArray
from experiments.runs.figures import write_figure

INK, GRID, PAPER, BASELINE = "#1b1f24", "#d5d9de", "#fffffe", "#767b82"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LEGEND_LETTERS = 12
"""Letters of the legend per inch."""
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.4,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "path",
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
}


def style(**settings: str) -> AbstractContextManager[None]:
    """A context in which figures are made and written."""
    return mpl.rc_context(_STYLE | settings)


def colours(comparison: Comparison) -> dict[str, str]:
    """Assigns each strategy a colour: grey to the first random search, the palette in turn to all others."""
    names = [each.name for each in comparison.strategies]
    grey = next((each.name for each in comparison.strategies if each.random), None)
    others = [name for name in names if name != grey]
    chosen = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(others)}
    return chosen if grey is None else {**chosen, grey: BASELINE}


def coloured(comparison: Comparison) -> list[tuple[StrategySummary, str]]:
    """Returns the strategies, each with its colour."""
    chosen = colours(comparison)
    return [(each, chosen[each.name]) for each in comparison.strategies]


def percent(values: ArrayLike) -> FloatArray:
    """Converts shares to an array in percent, None to NaN."""
    return 100 * np.asarray(values, dtype=float)


def finish(axes: Axes, title: str, detail: str, ylabel: str) -> None:
    """Adds a title above a line of detail, and labels the vertical axis if it has numbers."""
    axes.set_title(title, pad=17 if detail else 6)
    text = axes.annotate(
        detail, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=7.3, va="bottom"
    )
    text.set_in_layout(False)
    axes.set_ylabel(ylabel)
    if ylabel:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(length=3)
    axes.tick_params(axis="y", length=3 if ylabel else 0)


def count_from_left(axes: Axes, name: str) -> None:
    """Labels the horizontal axis, which counts something whole: epochs or iterations."""
    axes.set_xlabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))


def legend_below(axes: Axes, *, columns: int = 3) -> None:
    """Adds the legend of one panel below it, where it covers no data."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns, fontsize=7.5)


def add_legend(figure: Figure, comparison: Comparison) -> None:
    """Adds a legend of the strategies above all panels, where it covers no data."""
    names = [f"{capitalized(label(each.name))} ({plural(each.num_runs, 'seed')})" for each in comparison.strategies]
    room = int(LEGEND_LETTERS * figure.get_figwidth() / (max(map(len, names)) + 7))
    add_colour_legend(figure, names, columns=min(4, room), chosen=[colour for _, colour in coloured(comparison)])


def add_colour_legend(
    figure: Figure, names: Iterable[str], *, columns: int = 4, chosen: Iterable[str] = PALETTE
) -> None:
    """Adds a legend above all panels, with the names in turn in the given colours."""
    shown = list(names)
    handles = [Line2D([], [], color=colour, lw=3) for colour, _ in zip(cycle(chosen), shown, strict=False)]
    columns = max(1, min(columns, len(shown)))
    figure.legend(handles, shown, loc="outside upper left", ncols=columns, handlelength=1.4, fontsize=9)


def save(figure: Figure, *paths: Path) -> list[Path]:
    """Writes a figure as PNG or SVG, by the suffixes of the paths; equal figures give equal bytes."""
    for path in paths:
        with style(**{"svg.hashsalt": path.stem}):
            metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            write_figure(figure, path, dpi=200, metadata=metadata)
    return list(paths)


def to_svg(figure: Figure, name: str) -> str:
    """Renders a figure as an SVG element in the colours of an HTML page; its ids are derived from the unique name."""
    buffer = io.StringIO()
    with style(**{"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    return for_page(text[text.index("<svg") :])


def for_page(text: str) -> str:
    """Replaces colours by variables of the style sheet, which defines others for dark mode."""
    variables = {INK: "currentColor", GRID: "var(--grid)", PAPER: "var(--paper)"}
    variables |= {colour: f"var(--strategy-{place}, {colour})" for place, colour in enumerate(PALETTE)}
    variables[BASELINE] = f"var(--baseline, {BASELINE})"
    return re.sub("|".join(variables), lambda match: variables[match.group()], text)
