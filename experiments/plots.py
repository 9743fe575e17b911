"""Figures of a comparison, drawn from its plain data, so that `comparison.json` holds every number in them.

Figures are made without pyplot and leave matplotlib's settings as they were. Colours are those of Okabe and Ito, which
people who are colour-blind tell apart; random search, the baseline, is grey.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from experiments.curves import TOPS, WINDOW
from experiments.verdict import MEASURES

INK, GRID, BASELINE = "#1b1f24", "#d5d9de", "#767b82"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
AXIS_NAMES: Mapping[str, str] = {
    "trials": "Trials",
    "worker_seconds": "Worker time",
    "elapsed_seconds": "Time on the clock",
}
_DASHES = {TOPS[0]: "-", TOPS[1]: (0, (5, 1.8)), TOPS[2]: (0, (1.2, 1.4))}
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
_UNITS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0))

Comparison: TypeAlias = Mapping[str, Any]
Panel: TypeAlias = Callable[[Axes], None]


def draw_curves(comparison: Comparison) -> Figure:
    """All curves in one figure, under one legend: for a README or a paper."""
    drawn = list(panels(comparison).values())
    wide = len(drawn) % 2
    rows = (len(drawn) + 1) // 2
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.4, 0.55 + 2.75 * rows), layout="constrained", facecolor="white")
        grid = figure.add_gridspec(rows, 2)
        for place, panel in enumerate(drawn):
            row, column = divmod(place + (wide if place else 0), 2)
            panel(figure.add_subplot(grid[row, :] if wide and place == 0 else grid[row, column]))
        _legend(figure, comparison)
    return figure


def draw_panel(panel: Panel, *, legend: Comparison | None = None) -> Figure:
    """One panel as a figure of its own, with a transparent background."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 3.1 if legend is None else 3.4), layout="constrained", facecolor="none")
        axes = figure.add_subplot(facecolor="none")
        panel(axes)
        if legend is not None:
            _legend(figure, legend)
    return figure


def panels(comparison: Comparison) -> dict[str, Panel]:
    """The panels that the data allow, by name, in the order of drawing."""
    single = all(each["num_runs"] == 1 and "accuracy" in each["runs"][0] for each in comparison["strategies"])
    chosen: dict[str, Panel] = {}
    if single:
        chosen["trials"] = lambda axes: _trials_panel(axes, comparison)
    for axis in comparison["budget"]:
        if not (single and axis == "trials" and comparison["measure"] == "incumbent"):
            chosen[f"incumbent_{axis}"] = lambda axes, axis=axis: _incumbent_panel(axes, comparison, axis)  # type: ignore[misc]
    if not single:
        chosen["moving_mean"] = lambda axes: _moving_mean_panel(axes, comparison)
    chosen["tops"] = lambda axes: _tops_panel(axes, comparison)
    return chosen


def colours(comparison: Comparison) -> dict[str, str]:
    """A colour for each strategy."""
    others = [each["name"] for each in comparison["strategies"] if not each["random"]]
    chosen = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(others)}
    randoms = [each["name"] for each in comparison["strategies"] if each["random"]]
    return chosen | dict.fromkeys(randoms, BASELINE)


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG or SVG, by the name's end; the same figure gives the same bytes."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": path.stem}):
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=200, metadata=metadata)


def to_svg(figure: Figure, name: str) -> str:
    """A figure as an SVG element for a page: ids made from its name, text and axes in the colour of the page."""
    buffer = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    element = text[text.index("<svg") :]
    return element.replace(INK, "currentColor").replace(GRID, "var(--grid)")


def _trials_panel(axes: Axes, comparison: Comparison) -> None:
    """Every trial as a dot, the moving mean and the incumbent: what a single run looks like."""
    lowest = []
    for each, colour in _coloured(comparison):
        curves, accuracy = each["curves"]["trials"], _percent(each["runs"][0]["accuracy"])
        trials = np.arange(1, len(accuracy) + 1)
        axes.scatter(trials, accuracy, s=9, color=colour, alpha=0.3, linewidths=0, zorder=2)
        axes.plot(curves["points"], _percent(curves["moving_mean"]["mean"]["value"]), color=colour, lw=1.3, zorder=3)
        incumbent = _percent(curves["incumbent"]["mean"]["value"])
        axes.step(curves["points"], incumbent, where="post", color=colour, lw=2.2, zorder=4)
        lowest.append(np.nanquantile(accuracy, 0.04))
    _finish(axes, "Each trial (dots), mean of the last 25 (thin) and best so far (thick)", "Validation accuracy")
    _trial_axis(axes, comparison)
    top = axes.get_ylim()[1]
    axes.set_ylim(min(lowest) - 0.04 * (top - min(lowest)), top)


def _incumbent_panel(axes: Axes, comparison: Comparison, axis: str) -> None:
    measure = comparison["measure"]
    many = any(each["num_runs"] > 1 for each in comparison["strategies"])
    for each, colour in _coloured(comparison):
        _band(axes, each["curves"][axis], measure, colour, step=not many)
        if each["num_runs"] > 3:
            iqm = _percent(each["curves"][axis][measure]["iqm"]["value"])
            axes.plot(each["curves"][axis]["points"], iqm, color=colour, lw=0.9, ls=(0, (4, 2)), zorder=3)
    _finish(axes, "Best architecture so far", MEASURES[measure].capitalize())
    _any_axis(axes, comparison, axis)
    _focus(axes, [each["curves"][axis] for each in comparison["strategies"]], measure)


def _moving_mean_panel(axes: Axes, comparison: Comparison) -> None:
    for each, colour in _coloured(comparison):
        _band(axes, each["curves"]["trials"], "moving_mean", colour)
    _finish(axes, f"What is proposed: mean of the last {WINDOW}", "Reward")
    _trial_axis(axes, comparison)


def _tops_panel(axes: Axes, comparison: Comparison) -> None:
    for each, colour in _coloured(comparison):
        curves = each["curves"]["trials"]
        for count in TOPS:
            values = _percent(curves[f"top_{count}"]["mean"]["value"])
            axes.plot(curves["points"], values, color=colour, ls=_DASHES[count], lw=1.5, zorder=3)
    title = "Mean of the best {} (solid), {} (dashed), {} (dotted)".format(*TOPS)
    _finish(axes, title, "Validation accuracy")
    _trial_axis(axes, comparison)
    _focus(axes, [each["curves"]["trials"] for each in comparison["strategies"]], "top_5")


def _band(axes: Axes, curves: Mapping[str, Any], measure: str, colour: str, *, step: bool = False) -> None:
    band = {key: _percent(values) for key, values in curves[measure]["mean"].items()}
    axes.fill_between(curves["points"], band["low"], band["high"], color=colour, alpha=0.16, lw=0, zorder=2)
    axes.plot(curves["points"], band["value"], color=colour, lw=1.9, zorder=4, ds="steps-post" if step else "default")


def _finish(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title)
    axes.set_ylabel(f"{label} (%)")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.tick_params(length=3)


def _trial_axis(axes: Axes, comparison: Comparison) -> None:
    longest = max(each["curves"]["trials"]["points"][-1] for each in comparison["strategies"])
    axes.set_xlim(0, longest * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.set_xlabel("Trials")


def _any_axis(axes: Axes, comparison: Comparison, axis: str) -> None:
    if axis == "trials":
        _trial_axis(axes, comparison)
        return
    points = [each["curves"][axis]["points"] for each in comparison["strategies"]]
    start, end = min(each[0] for each in points), max(each[-1] for each in points)
    unit, size = next((item for item in _UNITS if end >= 2 * item[1]), ("seconds", 1.0))
    axes.set_xlabel(f"{AXIS_NAMES[axis]} ({unit})")
    if end > 8 * start:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if end < 200 * start else LogLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(start, end)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / size:.3g}"))


def _focus(axes: Axes, curves: Sequence[Mapping[str, Any]], measure: str) -> None:
    """Leaves the first steps, from bad luck to the ordinary, below the axis, so that the rest can be read."""
    floors, tops = [], []
    for each in curves:
        values = _percent(each[measure]["mean"]["value"])
        late = values[min(len(values) // 25, len(values) - 1) :]
        highs = np.concatenate([values, _percent(each[measure]["mean"]["high"])])
        if np.isfinite(late).any():
            floors.append(np.nanmin(late))
            tops.append(np.nanmax(highs))
    if floors:
        floor, top = min(floors), max(tops)
        margin = 0.06 * (top - floor) or 0.5
        axes.set_ylim(floor - margin, min(top + margin, max(100.0, axes.dataLim.y1)))


def _legend(figure: Figure, comparison: Comparison) -> None:
    handles = [Line2D([], [], color=colour, lw=3) for _, colour in _coloured(comparison)]
    names = [f"{each['name']} ({_seeds(each['num_runs'])})" for each in comparison["strategies"]]
    figure.legend(handles, names, loc="outside upper left", ncols=min(4, len(names)), handlelength=1.4)


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _coloured(comparison: Comparison) -> list[tuple[Mapping[str, Any], str]]:
    chosen = colours(comparison)
    return [(each, chosen[each["name"]]) for each in comparison["strategies"]]


def _percent(values: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return 100 * np.array([math.nan if value is None else value for value in values])
