"""Figures of a study of pre-training: AP against iterations, and AP against the amount of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.comparison.figure_style import BASELINE, PALETTE, finish, save, style
from experiments.study.plan import PRETRAINED, SCRATCH, STARTS
from experiments.study.results import SCORES, SPLITS, Result, StudySummary, measured

FORMATS = ("png", "svg")
_COLOURS = MappingProxyType({SCRATCH: PALETTE[1], PRETRAINED: PALETTE[0]})
_LABELS = MappingProxyType({SCRATCH: "from scratch", PRETRAINED: "pre-trained"})
_LINES = ("-", "--", ":", "-.")
_IMAGES = MappingProxyType({"val": "on validation images", "train": "on training images"})
_BAND_OPACITY = 0.18


def draw_study(study: StudySummary, folder: Path) -> list[Path]:
    """Draws AP during training (``curves``) and final AP by amount of data (``data_val``, ``data_train``).

    Args:
        study: the study.
        folder: where the figures are written; those of masks have the suffix ``_mask``.

    Returns:
        The files.
    """
    figures = {}
    with style():
        for kind in study.kinds:
            suffix = "" if kind == "box" else f"_{kind}"
            figures[f"curves{suffix}"] = _curves(study, kind)
            figures |= {f"data_{split}{suffix}": _amounts(study, split, kind) for split in SPLITS}
    paths = []
    for name, form in product(figures, FORMATS):
        paths.append(folder / f"{name}.{form}")
        save(figures[name], paths[-1])
    return paths


def _curves(study: StudySummary, kind: str) -> Figure:
    """A column for each fraction, a row for each of AP and AP50, a line for each start and schedule."""
    fractions, schedules = _distinct(study, "fraction"), _distinct(study, "schedule")
    numbers = {setting.fraction: setting.num_pictures for setting in study.settings}
    scores = list(SCORES)
    figure, panels = _panels(len(fractions))
    for (row, column), axes in np.ndenumerate(panels):
        for start, (place, schedule) in product(STARTS, enumerate(schedules)):
            runs = [each["curve"] for each in _finished(study, start, schedule, fractions[column])]
            _draw_runs(axes, _values(runs, kind, scores[row]), _COLOURS[start], _LINES[place % len(_LINES)])
        title = f"{SCORES[scores[row]]}, trained on {numbers[fractions[column]]:,}"
        finish(axes, title, f"{kind}, {_IMAGES[study.split]}", "%")
    _finish(panels, "iteration")
    _legend(figure, study, schedules)
    return figure


def _amounts(study: StudySummary, split: str, kind: str) -> Figure:
    """A column for each schedule, a row for each of AP and AP50, a line for each start."""
    schedules = _distinct(study, "schedule")
    numbers = {setting.fraction: setting.num_pictures for setting in study.settings}
    names = list(SCORES)
    figure, panels = _panels(len(schedules))
    for (row, column), axes in np.ndenumerate(panels):
        key = f"{split}.{kind}.{names[row]}"
        for start in STARTS:
            scores = {
                number: [measured(each, key) for each in _finished(study, start, schedules[column], fraction)]
                for fraction, number in numbers.items()
            }
            _draw_runs(axes, scores, _COLOURS[start], "-")
        axes.set_xscale("log")
        axes.set_xticks(list(numbers.values()), [f"{number:,}" for number in numbers.values()])
        axes.minorticks_off()
        finish(axes, f"{SCORES[names[row]]} at {schedules[column]}", f"{kind}, {_IMAGES[split]}", "%")
    _finish(panels, "training images")
    _legend(figure, study, [])
    return figure


def _distinct(study: StudySummary, name: str) -> list[Any]:
    return list(dict.fromkeys(getattr(setting, name) for setting in study.settings))


def _finished(study: StudySummary, start: str, schedule: str, fraction: float) -> list[Result]:
    """The successful trainings of a kind, one per seed."""
    kind = (start, schedule, fraction)
    return [
        each
        for each in study.results
        if (each["start"], each["schedule"], each["fraction"]) == kind and "error" not in each
    ]


def _values(runs: Sequence[Sequence[Result]], kind: str, score: str) -> dict[int, list[float]]:
    """By iteration, the scores of all runs evaluated there."""
    values: dict[int, list[float]] = {}
    for point in (point for run in runs for point in run):
        if (share := point.get(kind, {}).get(score)) is not None:
            values.setdefault(point["iteration"], []).append(share)
    return dict(sorted(values.items()))


def _draw_runs(axes: Axes, values: Mapping[int, Sequence[float | None]], colour: str, line: str) -> None:
    """Draws the mean over seeds, and a band from the lowest seed to the highest."""
    known = {place: [100 * each for each in some if each is not None] for place, some in values.items()}
    known = {place: some for place, some in known.items() if some}
    means, lows, highs = ([function(some) for some in known.values()] for function in (fmean, min, max))
    axes.plot(list(known), means, line, color=colour, marker=".", markersize=4, lw=1.4)
    axes.fill_between(list(known), lows, highs, color=colour, alpha=_BAND_OPACITY, lw=0)


def _panels(num_columns: int) -> tuple[Figure, Any]:
    size = 1.2 + 2.7 * max(2, num_columns), 0.8 + 2.4 * len(SCORES)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    return figure, figure.subplots(len(SCORES), num_columns, sharex="col", sharey="row", squeeze=False)


def _finish(panels: Any, text: str) -> None:  # noqa: ANN401 - an array of axes
    """Labels the axes of a grid and starts each row at 0, which must come last since it stops automatic scaling."""
    for axes in panels[-1]:
        axes.set_xlabel(text)
    for axes in panels[:, 1:].flat:
        axes.set_ylabel("")
    for axes in panels[:, 0]:
        axes.set_ylim(bottom=0)


def _legend(figure: Figure, study: StudySummary, schedules: Sequence[str]) -> None:
    seeds = study.num_seeds
    handles = [Line2D([], [], color=_COLOURS[start], lw=3, label=_LABELS[start]) for start in STARTS]
    handles += [
        Line2D([], [], color=BASELINE, ls=_LINES[place % len(_LINES)], label=schedule)
        for place, schedule in enumerate(schedules)
    ]
    title = f"mean of {seeds} seeds, bands from the lowest to the highest" if seeds > 1 else "one seed"
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), title=title, alignment="left")
