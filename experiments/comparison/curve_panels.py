"""The figure of curves, and its panels: each draws one view of a comparison on given axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from experiments.comparison.curves import TOPS, WINDOW, at
from experiments.comparison.figure_style import add_legend, coloured, finish, percent, style
from experiments.comparison.formatting import AXIS_NAMES, MEASURES
from experiments.comparison.results import Comparison, Curves
from experiments.comparison.target_parts import targets_panel

_DASHES = {TOPS[0]: "-", TOPS[1]: (0, (5, 1.8)), TOPS[2]: (0, (1.2, 1.4))}
_UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))
FIRST_SHOWN = 0.03
FIRST_JUDGED = 0.1
MIN_FOR_LOG = 8
MIN_FOR_IQM = 4

Panel: TypeAlias = Callable[[Axes], None]


def curve_panels(comparison: Comparison) -> dict[str, Panel]:
    """Returns the panels for which there are data, by name, in the order of drawing."""
    single = all(each.num_runs == 1 and each.runs[0].accuracy is not None for each in comparison.strategies)
    chosen: dict[str, Panel] = {}
    if single:
        chosen["trials"] = partial(_trials_panel, comparison=comparison)
    for axis in comparison.budget:
        if not (single and axis == "trials"):
            chosen[f"incumbent_{axis}"] = partial(_incumbent_panel, comparison=comparison, axis=axis)
    if not single:
        chosen["moving_mean"] = partial(_moving_mean_panel, comparison=comparison)
    chosen["tops"] = partial(_tops_panel, comparison=comparison)
    if comparison.targets is not None and not single:
        chosen["targets"] = partial(targets_panel, comparison=comparison)
    return chosen


def draw_curves(comparison: Comparison) -> Figure:
    """Draws all curves in one figure under one legend, for a README or a paper."""
    drawn = curve_panels(comparison)
    wide = "trials" in drawn or len(drawn) % 2 == 1
    rows = (len(drawn) + wide + 1) // 2
    with style():
        figure = Figure(figsize=(8.4, 0.4 + 2.8 * rows), layout="constrained", facecolor="white")
        grid = figure.add_gridspec(rows, 2)
        for place, panel in enumerate(drawn.values()):
            row, column = divmod(place + (wide if place else 0), 2)
            panel(figure.add_subplot(grid[row, :] if wide and place == 0 else grid[row, column]))
        add_legend(figure, comparison)
    return figure


def draw_panel(panel: Panel, *, height: float = 3.1) -> Figure:
    """Draws one panel, 5.2 inches wide, without legend and background, for an HTML page."""
    with style():
        figure = Figure(figsize=(5.2, height), layout="constrained", facecolor="none")
        panel(figure.add_subplot(facecolor="none"))
    return figure


def _trials_panel(axes: Axes, *, comparison: Comparison) -> None:
    """Draws each trial of single runs as a dot, their moving mean and the incumbent."""
    values = [percent(np.asarray(each.runs[0].accuracy)) for each in comparison.strategies]
    known = [column[~np.isnan(column)] for column in values]
    floor = min((float(np.quantile(column, 0.12)) for column in known if column.size), default=0.0)
    top = max((float(column.max()) for column in known if column.size), default=0.0)
    margin = 0.05 * (top - floor) or 0.5
    for (each, colour), accuracy in zip(coloured(comparison), values, strict=True):
        curves, trials = each.curves["trials"], np.arange(1, len(accuracy) + 1)
        seen, below = accuracy >= floor - margin, accuracy < floor - margin
        dots: dict[str, Any] = {"color": colour, "alpha": 0.38, "linewidths": 0}
        axes.scatter(trials[seen], accuracy[seen], s=12, zorder=2, **dots)
        axes.scatter(trials[below], np.full(below.sum(), floor - 0.6 * margin), s=14, marker="v", zorder=2, **dots)
        axes.plot(curves.points, percent(curves.by_name["moving_mean"].mean.value), color=colour, lw=1.3, zorder=3)
        incumbent = percent(curves.by_name["incumbent"].mean.value)
        axes.step(curves.points, incumbent, where="post", color=colour, lw=2.4, zorder=4)
    _mark_ties(axes, comparison, "trials", "incumbent", width=2.4)
    detail = f"dots: trials (triangles: below the axis); thin: mean of the last {WINDOW}; thick: best so far"
    finish(axes, "Every trial, and the best so far", detail, "Validation accuracy (%)")
    _scale_trials(axes, comparison)
    axes.set_ylim(floor - margin, top + margin)


def _incumbent_panel(axes: Axes, *, comparison: Comparison, axis: str) -> None:
    """Draws the incumbent: mean over seeds with its band, and interquartile mean."""
    measure = comparison.measure
    size, unit = (1.0, "") if axis == "trials" else _unit(comparison, axis)
    most = max(each.num_runs for each in comparison.strategies)
    for each, colour in coloured(comparison):
        curves = each.curves[axis]
        _draw_band(axes, curves, measure, colour=colour, size=size)
        if each.num_runs >= MIN_FOR_IQM:
            iqm = percent(curves.by_name[measure].iqm.value)
            axes.plot(curves.points / size, iqm, color=colour, lw=0.9, ls=(0, (4, 2)), ds="steps-post", zorder=3)
    _mark_ties(axes, comparison, axis, measure, width=1.9, size=size)
    detail = "mean with 95 % band" if most > 1 else "incumbent"
    detail += ", interquartile mean dashed" if most >= MIN_FOR_IQM else ""
    detail += ", chosen by validation" if measure == "incumbent_test" else ""
    title = "Front so far" if measure == "hypervolume" else "Best architecture so far"
    finish(axes, title, detail, f"{MEASURES[measure].capitalize()} (%)")
    if axis == "trials":
        _scale_trials(axes, comparison)
    else:
        _scale_time(axes, comparison, axis)
        axes.set_xlabel(f"{AXIS_NAMES[axis]} ({unit})")
    _focus(axes, [each.curves[axis] for each in comparison.strategies], measure, measure)


def _moving_mean_panel(axes: Axes, *, comparison: Comparison) -> None:
    """Draws the quality of what the controller proposes."""
    rewarded = all("moving_reward" in each.curves["trials"].by_name for each in comparison.strategies)
    measure, what = ("moving_reward", "reward") if rewarded else ("moving_mean", "validation accuracy")
    for each, colour in coloured(comparison):
        _draw_band(axes, each.curves["trials"], measure, colour=colour)
    if rewarded:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 100:.3g}"))
    unit = "" if rewarded else " (%)"
    finish(axes, "Proposed architectures", f"mean {what} of the last {WINDOW} trials", f"{what.capitalize()}{unit}")
    _scale_trials(axes, comparison)


def _tops_panel(axes: Axes, *, comparison: Comparison) -> None:
    """Draws the means of the best few, as in NASNet's comparison (1707.07012, figure 6)."""
    for each, colour in coloured(comparison):
        curves = each.curves["trials"]
        for count in TOPS:
            values = percent(curves.by_name[f"top_{count}"].mean.value)
            axes.plot(curves.points, values, color=colour, ls=_DASHES[count], lw=1.5, zorder=3, ds="steps-post")
    _mark_ties(axes, comparison, "trials", f"top_{TOPS[0]}", width=1.5)
    detail = "mean of the best {} (solid), {} (dashed) and {} (dotted)".format(*TOPS)
    finish(axes, "Best few architectures so far", detail, "Validation accuracy (%)")
    _scale_trials(axes, comparison)
    _focus(axes, [each.curves["trials"] for each in comparison.strategies], f"top_{TOPS[1]}", f"top_{TOPS[0]}")


def _draw_band(axes: Axes, curves: Curves, measure: str, *, colour: str, size: float = 1.0) -> None:
    """Draws the mean with its band; an incumbent holds until the next one, so it is drawn in steps."""
    band = curves.by_name[measure].mean
    points, steps = curves.points / size, measure.startswith("incumbent")
    shade: dict[str, Any] = {"color": colour, "alpha": 0.15, "lw": 0, "step": "post" if steps else None}
    axes.fill_between(points, percent(band.low), percent(band.high), zorder=2, **shade)
    axes.plot(points, percent(band.value), color=colour, lw=1.9, zorder=4, ds="steps-post" if steps else "default")


def _mark_ties(axes: Axes, comparison: Comparison, axis: str, measure: str, *, width: float, size: float = 1.0) -> None:
    """Dashes a curve with the colours of the strategies before it where it hides theirs, since both have one value."""
    known: list[tuple[Curves, str]] = []
    for each, colour in coloured(comparison):
        curves = each.curves[axis]
        values = curves.by_name[measure].mean.value
        for earlier, hidden in known:
            others = at(earlier.by_name[measure].mean.value, earlier.points, curves.points)
            tied = np.isclose(values, others, rtol=0, atol=1e-9)
            if tied.any():
                points, shown = curves.points / size, percent(np.where(tied, values, np.nan))
                look: Any = {"ls": (0, (3, 3)), "dash_capstyle": "butt", "ds": "steps-post", "zorder": 5}
                axes.plot(points, shown, color=hidden, lw=width, **look)
        known.append((curves, colour))


def _scale_trials(axes: Axes, comparison: Comparison) -> None:
    longest = max(each.curves["trials"].points[-1] for each in comparison.strategies)
    axes.set_xlim(0, longest * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("Trials")


def _unit(comparison: Comparison, axis: str) -> tuple[float, str]:
    """Returns the unit of an axis of time in seconds, and its name."""
    end = max(each.curves[axis].points[-1] for each in comparison.strategies)
    return next((item for item in _UNITS if end >= 2 * item[0]), (1.0, "seconds"))


def _scale_time(axes: Axes, comparison: Comparison, axis: str) -> None:
    """Scales logarithmically if the range is wide enough; the first few percent of the budget are left out."""
    size, _ = _unit(comparison, axis)
    points = [each.curves[axis].points / size for each in comparison.strategies]
    end = max(each[-1] for each in points)
    start = max(min(each[0] for each in points), end * FIRST_SHOWN)
    if end > MIN_FOR_LOG * start:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(start, end * 1.01)


def _focus(axes: Axes, curves: Sequence[Curves], lowest: str, highest: str) -> None:
    """Sets the limits by the later values, since the first steps are far below them."""
    floors, tops = [], []
    for each in curves:
        late = each.points >= FIRST_JUDGED * each.points[-1]
        bottom, top_band = each.by_name[lowest].mean, each.by_name[highest].mean
        low, high, edge = (percent(values)[late] for values in (bottom.value, top_band.value, top_band.high))
        floors.append(np.nanmin(low, initial=100.0))
        tops.append(max(np.nanmax(high, initial=0.0), np.nanmax(edge[-len(edge) // 2 :], initial=0.0)))
    floor, top = min(floors), max(tops)
    margin = 0.06 * (top - floor)
    if margin > 0:
        axes.set_ylim(floor - margin, top + margin)
