"""The pictures of `nas robustness` and `nas divergence`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.comparison.figure_style import PALETTE, finish, save, style

_MOST_COLUMNS = 4


def draw_robustness(value: Mapping[str, Any], out: Path) -> None:
    """Draws accuracy over severity, a panel for each shift, as ``robustness.png`` and ``robustness.svg``."""
    names = list(value["shifts"])
    num_columns = min(_MOST_COLUMNS, len(names))
    num_rows = math.ceil(len(names) / num_columns)
    with style():
        figure = Figure(figsize=(2.6 * num_columns + 0.4, 2.2 * num_rows + 0.6), layout="constrained")
        grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
        panels: list[Axes] = list(grid.flat)
        for axes, name in zip(panels, names, strict=False):
            _draw_shift(axes, value, name)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        for column in range(num_columns):
            lowest = max(index for index in range(column, len(names), num_columns))
            panels[lowest].set_xlabel("Severity (0: as it is)")
            panels[lowest].tick_params(labelbottom=True)
        _add_legend(figure, [network["name"] for network in value["networks"]])
    _write(figure, out, "robustness")


def draw_divergence(value: Mapping[str, Any], out: Path) -> None:
    """Draws both divergences over depth, as in IBN-Net's first figure, as ``divergence.png`` and ``divergence.svg``."""
    with style():
        num_layers = max(len(network["layers"]) for network in value["networks"])
        figure = Figure(figsize=(max(7.0, 0.5 * num_layers + 4), 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_divergence(left, value, "appearance")
        _draw_divergence(right, value, "content")
        finish(left, "Appearance", f"images against the same images under {value['shift']}", "Divergence")
        finish(right, "Content", f"between {value['classes']}", "Divergence")
        _add_legend(figure, [network["name"] for network in value["networks"]])
    _write(figure, out, "divergence")


def _draw_shift(axes: Axes, value: Mapping[str, Any], name: str) -> None:
    for network, colour in _coloured(value["networks"]):
        cells = [network["clean"], *(cell["accuracy"] for cell in network["shifts"][name].values())]
        severities = [0, *value["severities"]]
        low, middle, high = ([100 * cell[key] for cell in cells] for key in ("low", "value", "high"))
        axes.fill_between(severities, low, high, color=colour, alpha=0.2, lw=0)
        axes.plot(severities, middle, color=colour, lw=1.7, marker="o", ms=3)
    axes.set_xticks([0, *value["severities"]])
    left = axes.get_subplotspec()
    finish(axes, name, value["shifts"][name]["meaning"], "Accuracy (%)" if left and left.is_first_col() else "")


def _draw_divergence(axes: Axes, value: Mapping[str, Any], key: str) -> None:
    longest: Sequence[str] = ()
    for network, colour in _coloured(value["networks"]):
        names = [layer["name"] for layer in network["layers"]]
        longest = max(longest, names, key=len)
        axes.plot(
            range(len(names)), [layer[key] for layer in network["layers"]], color=colour, lw=1.7, marker="o", ms=4
        )
    axes.set_xticks(range(len(longest)), longest, rotation=40, ha="right", fontsize=7)
    axes.set_ylim(bottom=0)


def _coloured(networks: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str]]:
    return [(network, PALETTE[place % len(PALETTE)]) for place, network in enumerate(networks)]


def _add_legend(figure: Figure, names: Sequence[str]) -> None:
    handles = [Line2D([], [], color=PALETTE[place % len(PALETTE)], lw=3) for place in range(len(names))]
    figure.legend(
        handles, short_names(names), loc="outside upper left", ncols=min(4, len(names)), handlelength=1.4, fontsize=8.5
    )


def short_names(names: Sequence[str]) -> list[str]:
    """The last parts of paths, if these still differ from one another."""
    short = [Path(name).name or name for name in names]
    return short if len(set(short)) == len(set(names)) else list(names)


def _write(figure: Figure, out: Path, name: str) -> None:
    for ending in ("png", "svg"):
        save(figure, out / f"{name}.{ending}")
