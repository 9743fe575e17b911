"""The figure of a tournament: the accuracy of each candidate by epoch, and final places against rewards."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.comparison.figure_style import (
    BASELINE,
    PALETTE,
    add_colour_legend,
    count_from_left,
    finish,
    percent,
    save,
    style,
)
from experiments.comparison.formatting import CONFIDENCE_INTERVAL, interval_text
from experiments.tournament.analysis import TournamentResult

FILES = ("tournament.png", "tournament.svg")
_COLOURS = {True: PALETTE[0], False: BASELINE}
_NAMES = {True: "Selected by reward", False: "Drawn at random"}


def draw_tournament(result: TournamentResult, out: Path) -> tuple[str, ...]:
    """Draws a tournament to an existing folder and returns the names of the files."""
    with style():
        figure = Figure(figsize=(8.4, 3.4), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
        _draw_epochs(left, result)
        _draw_places(right, result)
        kinds = sorted({each.chosen for each in result.ranking}, reverse=True)
        add_colour_legend(figure, [_NAMES[kind] for kind in kinds], chosen=[_COLOURS[kind] for kind in kinds])
    save(figure, *(out / name for name in FILES))
    return FILES


def _draw_epochs(axes: Axes, result: TournamentResult) -> None:
    for each in reversed(result.ranking):
        colour, accuracies = _COLOURS[each.chosen], percent(each.accuracies)
        axes.plot(range(1, each.epochs + 1), accuracies, color=colour, lw=2.4 if each.place == 1 else 1.2)
        if each.epochs:
            axes.plot([each.epochs], accuracies[-1:], "o", color=colour, ms=3.5)
    count_from_left(axes, "Epochs")
    finish(axes, "Tournament", "one line per candidate until it stopped; thick: the winner", "Validation accuracy (%)")


def _draw_places(axes: Axes, result: TournamentResult) -> None:
    for each in result.ranking:
        axes.plot([each.proxy], [each.place], "o", color=_COLOURS[each.chosen], ms=5)
    axes.invert_yaxis()
    axes.set_xlabel("Reward in the search")
    tau = result.correlation["all"]
    shown = interval_text(tau, scale=1, prefix=CONFIDENCE_INTERVAL)
    finish(axes, "Agreement with the search", "" if math.isnan(tau.value) else f"Kendall's tau {shown}", "Final place")
