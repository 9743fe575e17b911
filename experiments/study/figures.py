"""Figures of a study of pre-training: AP against iterations, and AP against the amount of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.comparison.figure_style import BASELINE, PALETTE, finish, save, style
from experiments.study.plan import PRETRAINED, SCRATCH, STARTS
from experiments.study.results import SCORES, SPLITS, Result, StudySummary, measured

FORMATS = ("png", "svg")
_COLOURS = {SCRATCH: PALETTE[1], PRETRAINED: PALETTE[0]}
_LABELS = {SCRATCH: "from scratch", PRETRAINED: "pre-trained"}
_LINES = ("-", "--", ":", "-.")
_IMAGES = {"val": "on validation images", "train": "on training images"}
_BAND_OPACITY = 0.18


def draw_study(study: StudySummary, folder: Path) -> list[Path]:
    """Draws AP during training and final AP by amount of data; returns the files, those of masks with ``_mask``."""
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
    numbers, schedules = _axes(study)
    figure, panels = _panels(len(numbers))
    for axes, (score, (fraction, number)) in zip(panels.flat, product(SCORES, numbers.items()), strict=True):
        for start, (schedule, line) in product(STARTS, zip(schedules, cycle(_LINES), strict=False)):
            runs = [each["curve"] for each in _finished(study, start, schedule, fraction)]
            _draw_runs(axes, _values(runs, kind, score), _COLOURS[start], line)
        finish(axes, f"{SCORES[score]}, trained on {number:,}", f"{kind}, {_IMAGES[study.split]}", "%")
    _finish(panels, "iteration")
    _legend(figure, study, schedules)
    return figure


def _amounts(study: StudySummary, split: str, kind: str) -> Figure:
    """A column for each schedule, a row for each of AP and AP50, a line for each start."""
    numbers, schedules = _axes(study)
    figure, panels = _panels(len(schedules))
    for axes, (score, schedule) in zip(panels.flat, product(SCORES, schedules), strict=True):
        key = f"{split}.{kind}.{score}"
        for start in STARTS:
            values = {
                number: [measured(each, key) for each in _finished(study, start, schedule, fraction)]
                for fraction, number in numbers.items()
            }
            _draw_runs(axes, values, _COLOURS[start], "-")
        axes.set_xscale("log")
        axes.set_xticks(list(numbers.values()), [f"{number:,}" for number in numbers.values()])
        axes.minorticks_off()
        finish(axes, f"{SCORES[score]} at {schedule}", f"{kind}, {_IMAGES[split]}", "%")
    _finish(panels, "training images")
    _legend(figure, study, [])
    return figure


def _axes(study: StudySummary) -> tuple[dict[float, int], list[str]]:
    """Number of images by fraction, and schedules."""
    numbers = {setting.fraction: setting.num_pictures for setting in study.settings}
    return numbers, list(dict.fromkeys(setting.schedule for setting in study.settings))


def _finished(study: StudySummary, start: str, schedule: str, fraction: float) -> list[Result]:
    """The successful trainings of a kind, one per seed."""
    done = [each for each in study.results if "error" not in each]
    return [each for each in done if (each["start"], each["schedule"], each["fraction"]) == (start, schedule, fraction)]


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
    lines = zip(schedules, cycle(_LINES), strict=False)
    handles += [Line2D([], [], color=BASELINE, ls=line, label=schedule) for schedule, line in lines]
    title = f"mean of {seeds} seeds, bands from the lowest to the highest" if seeds > 1 else "one seed"
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), title=title, alignment="left")
