"""How figures look, and how they are written.

Colours are those of Okabe and Ito, which people who are colour-blind tell apart; random search, the baseline, is grey.
Figures are made without pyplot, and matplotlib's settings are left as they were.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from experiments.comparison.verdict import capitalized, label

Comparison: TypeAlias = Mapping[str, Any]

INK, GRID, PAPER, BASELINE = "#1b1f24", "#d5d9de", "#fffffe", "#767b82"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LEGEND_LETTERS = 12
"""So many letters of the legend go into an inch."""
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.4,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "path",
    "legend.frameon": False,
}


def style(**settings: str) -> AbstractContextManager[None]:
    """A context in which figures are made and written."""
    return mpl.rc_context(_STYLE | settings)


def colours(comparison: Comparison) -> dict[str, str]:
    """A colour for each strategy: grey for the first random search, the palette in turn for all others."""
    names = [each["name"] for each in comparison["strategies"]]
    grey = next((each["name"] for each in comparison["strategies"] if each["random"]), None)
    others = [name for name in names if name != grey]
    chosen = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(others)}
    return chosen if grey is None else {**chosen, grey: BASELINE}


def coloured(comparison: Comparison) -> list[tuple[Mapping[str, Any], str]]:
    """The strategies, each with its colour."""
    chosen = colours(comparison)
    return [(each, chosen[each["name"]]) for each in comparison["strategies"]]


def percent(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Plain data as an array times 100, null as NaN."""
    return 100 * np.array([np.nan if value is None else value for value in values])


def finish(axes: Axes, title: str, detail: str, ylabel: str) -> None:
    """Puts a title over a line of detail, and names the vertical axis if it is one of numbers."""
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


def add_legend(figure: Figure, comparison: Comparison) -> None:
    """Names the colours above all panels, where no data can be covered."""
    handles, names = [], []
    for each, colour in coloured(comparison):
        handles.append(Line2D([], [], color=colour, lw=3))
        names.append(f"{capitalized(label(each['name']))} ({each['num_runs']} seed{'s' * (each['num_runs'] != 1)})")
    room = int(LEGEND_LETTERS * figure.get_figwidth() / (max(map(len, names)) + 7))
    columns = max(1, min(4, room, len(names)))
    figure.legend(handles, names, loc="outside upper left", ncols=columns, handlelength=1.4, fontsize=9)


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG or SVG, by the name's end; the same figure gives the same bytes."""
    with style(**{"svg.hashsalt": path.stem}):
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=200, metadata=metadata)


def to_svg(figure: Figure, name: str) -> str:
    """A figure as an SVG element for a page.

    Args:
        figure: what to draw.
        name: of the figure, from which its ids are made: they must differ within a page.

    Returns:
        The element, in the colours of the page.
    """
    buffer = io.StringIO()
    with style(**{"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    return for_page(text[text.index("<svg") :])


def for_page(text: str) -> str:
    """Replaces colours by variables of the page's style sheet, which has others for dark paper."""
    variables = {INK: "currentColor", GRID: "var(--grid)", PAPER: "var(--paper)"}
    variables |= {colour: f"var(--strategy-{place}, {colour})" for place, colour in enumerate(PALETTE)}
    variables[BASELINE] = f"var(--baseline, {BASELINE})"
    return re.sub("|".join(variables), lambda match: variables[match.group()], text)
