"""Draws a cell with one operation on each edge, as in NAS-Bench-201."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from experiments.architectures.text_fit import TITLE_SIZE, fit_text
from nas.edge_cell import EdgeCell

_GAP = 130.0  # points (1/72 inch) between two nodes; one unit of the axes is a point
_BEND = 0.32
_RADIUS = 13.0
_TITLE_HEIGHT = 20.0
_ABSENT = "none"


def edge_cell_figure(cell: EdgeCell, *, title: str | None = None) -> Figure:
    """Draws the nodes in a row from input to output, and an arc for each edge whose operation is not ``none``."""
    width = _GAP * (cell.num_nodes - 1) + 60
    height = _BEND * _GAP * (cell.num_nodes - 1) + 70 + (_TITLE_HEIGHT if title else 0)
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    floor = 28.0
    edges = [(source, node) for node in range(1, cell.num_nodes) for source in range(node)]
    for (source, node), op in zip(edges, cell.ops, strict=True):
        if op == _ABSENT:
            continue
        start, end = 30 + _GAP * source, 30 + _GAP * node
        bend = _BEND if node - source > 1 else 0.0
        shape: Any = {"arrowstyle": "-|>", "connectionstyle": f"arc3,rad={-bend}", "mutation_scale": 10}
        arc = FancyArrowPatch((start, floor), (end, floor), shrinkA=_RADIUS + 1, shrinkB=_RADIUS + 1, **shape)
        arc.set_color("0.35")
        axes.add_patch(arc)
        axes.text(
            (start + end) / 2,
            floor + bend * (end - start) / 2 + 3,
            op,
            ha="center",
            va="bottom",
            size=8,
            parse_math=False,
        )
    for node in range(cell.num_nodes):
        name = {0: "in", cell.num_nodes - 1: "out"}.get(node, str(node))
        axes.plot([30 + _GAP * node], [floor], "o", ms=2 * _RADIUS, mfc="#d7dfe8", mec="0.25", mew=1)
        axes.text(30 + _GAP * node, floor, name, ha="center", va="center", size=9)
    if title:
        text, size = fit_text(title, TITLE_SIZE, 0.9 * width)
        axes.text(width / 2, height - 8, text, ha="center", va="top", size=size, parse_math=False)
    return figure
