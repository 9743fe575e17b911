"""The figures of `nas robustness` and `nas divergence`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.comparison.figure_style import PALETTE, add_colour_legend, finish, percent, save, style
from experiments.robustness.results import Divergence, Robustness

_MAX_COLUMNS = 4


def draw_robustness(result: Robustness, out: Path) -> None:
    """Draws accuracy over severity, a panel for each shift, as ``robustness.png`` and ``robustness.svg``."""
    names = list(result.shifts)
    num_columns = min(_MAX_COLUMNS, len(names))
    num_rows = math.ceil(len(names) / num_columns)
    with style():
        figure = Figure(figsize=(2.6 * num_columns + 0.4, 2.2 * num_rows + 0.6), layout="constrained")
        grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
        panels: list[Axes] = list(grid.flat)
        for axes, name in zip(panels, names, strict=False):
            _draw_shift(axes, result, name)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        for column in range(num_columns):
            lowest = range(column, len(names), num_columns)[-1]
            panels[lowest].set_xlabel("Severity (0: unshifted)")
            panels[lowest].tick_params(labelbottom=True)
        add_colour_legend(figure, short_names([network.name for network in result.networks]))
    save(figure, out / "robustness.png", out / "robustness.svg")


def draw_divergence(result: Divergence, out: Path) -> None:
    """Draws both divergences over depth, as in IBN-Net's first figure, as ``divergence.png`` and ``divergence.svg``."""
    with style():
        num_layers = max(len(network.layers) for network in result.networks)
        figure = Figure(figsize=(max(7.0, 0.5 * num_layers + 4), 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_divergence(left, result, "appearance", f"images and the same images under {result.shift}")
        _draw_divergence(right, result, "content", f"between {result.classes}")
        add_colour_legend(figure, short_names([network.name for network in result.networks]))
    save(figure, out / "divergence.png", out / "divergence.svg")


def _draw_shift(axes: Axes, result: Robustness, name: str) -> None:
    severities = [0, *result.severities]
    for place, network in enumerate(result.networks):
        colour = PALETTE[place % len(PALETTE)]
        scores = [network.clean, *(score.accuracy for score in network.shifts[name].values())]
        low, middle, high = percent([(score.low, score.value, score.high) for score in scores]).T
        axes.fill_between(severities, low, high, color=colour, alpha=0.2, lw=0)
        axes.plot(severities, middle, color=colour, lw=1.7, marker="o", ms=3)
    axes.set_xticks(severities)
    left = axes.get_subplotspec()
    finish(axes, name, result.shifts[name].meaning, "Accuracy (%)" if left and left.is_first_col() else "")


def _draw_divergence(axes: Axes, result: Divergence, key: str, detail: str) -> None:
    longest: Sequence[str] = ()
    for place, network in enumerate(result.networks):
        longest = max(longest, [layer.name for layer in network.layers], key=len)
        values = [getattr(layer, key) for layer in network.layers]
        axes.plot(range(len(values)), values, color=PALETTE[place % len(PALETTE)], lw=1.7, marker="o", ms=4)
    axes.set_xticks(range(len(longest)), longest, rotation=40, ha="right", fontsize=7)
    axes.set_ylim(bottom=0)
    finish(axes, key.capitalize(), detail, "Divergence")


def short_names(names: Sequence[str]) -> list[str]:
    """Shortens paths to their last parts if these are distinct."""
    short = [Path(name).name or name for name in names]
    return short if len(set(short)) == len(set(names)) else list(names)
