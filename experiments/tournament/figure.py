"""The picture of a tournament: how far each candidate came, and what the search had said of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.comparison.figure_style import BASELINE, PALETTE, finish, save, style

FILES = ("tournament.png", "tournament.svg")
_COLOURS = {True: PALETTE[0], False: BASELINE}
_NAMES = {True: "Chosen for its reward", False: "Random pick"}


def draw_tournament(judged: Mapping[str, Any], out: Path) -> tuple[str, ...]:
    """Draws the validation accuracies over the epochs, and the final places over the rewards of the search.

    Args:
        judged: what `experiments.tournament.analysis.judge` gives.
        out: an existing folder.

    Returns:
        The names of the files written.
    """
    with style():
        figure = Figure(figsize=(8.4, 3.4), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
        _draw_epochs(left, judged)
        _draw_places(right, judged)
        kinds = sorted({row["chosen"] for row in judged["ranking"]}, reverse=True)
        handles = [Line2D([], [], color=_COLOURS[kind], lw=3) for kind in kinds]
        names = [_NAMES[kind] for kind in kinds]
        figure.legend(handles, names, loc="outside upper left", ncols=2, handlelength=1.4, fontsize=9)
    for name in FILES:
        save(figure, out / name)
    return FILES


def _draw_epochs(axes: Axes, judged: Mapping[str, Any]) -> None:
    for row in reversed(judged["ranking"]):
        accuracies = [100 * accuracy for accuracy in row["accuracies"]]
        width = 2.4 if row["place"] == 1 else 1.2
        axes.plot(range(1, len(accuracies) + 1), accuracies, color=_COLOURS[row["chosen"]], lw=width)
        axes.plot([len(accuracies)][: len(accuracies)], accuracies[-1:], "o", color=_COLOURS[row["chosen"]], ms=3.5)
    axes.set_xlabel("Epochs")
    finish(
        axes, "The tournament", "a line a candidate, until it was stopped; thick: the winner", "Validation accuracy (%)"
    )


def _draw_places(axes: Axes, judged: Mapping[str, Any]) -> None:
    for row in judged["ranking"]:
        axes.plot([row["proxy"]], [row["place"]], "o", color=_COLOURS[row["chosen"]], ms=5)
    axes.invert_yaxis()
    axes.set_xlabel("Reward in the search")
    tau = judged["correlation"]["all"]
    detail = "" if tau["value"] is None else f"Kendall's tau {tau['value']:.2f}"
    if tau["low"] is not None:
        detail += f" (95 % interval {tau['low']:.2f} to {tau['high']:.2f})"
    finish(axes, "What the search had foretold", detail, "Final place")
