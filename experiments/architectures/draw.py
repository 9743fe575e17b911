"""`nas draw`: both cells of an architecture in one picture, like a figure of the NASNet paper (1707.07012)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path as FilePath

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from experiments.architectures.cell_layout import Box, Layout, Line, place_cell
from nas.architecture import Architecture

SUFFIXES = (".svg", ".png", ".pdf")
FONT_SIZE, SMALL_SIZE, LEAST_SIZE, TITLE_SIZE = 8.5, 6.5, 5.5, 11.0
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
LEAST_OP_WIDTH, MOST_OP_WIDTH = 44.0, 110.0
MARGIN, CELL_GAP, CAPTION_HEIGHT, OUTPUT_LABEL_HEIGHT, TITLE_HEIGHT = 16.0, 44.0, 24.0, 28.0, 24.0
MOST_PIXELS = 12_000

WORDS = {
    "avg_pool": "avg",
    "max_pool": "max",
    "sep_conv": "sep",
    "dil_conv": "dilated",
    "bottleneck_conv": "bottleneck",
    "dil2_sep_conv": "dilated sep",
}
"""How the papers shorten names of operations."""

OP_COLOURS = (("sep", "#fde3a7"), ("conv", "#f8cdb8"), ("pool", "#cfe8cf"), ("identity", "#e4e4e4"))
"""By what occurs in the name of an operation, first match first."""
OTHER_OP_COLOUR = "#e6dcf3"
COLOURS = {"input": "#d7dfe8", "output": "#d7dfe8", "add": "#cfe0f5", "concat": "#f3d3e4"}
LINE_COLOURS = {0: "#b4532a", 1: "#2f5f9e"}
OTHER_LINE_COLOUR = "#555555"
OUTPUT = -1
"""Stands for the output as the source of a line."""
EDGE_COLOUR = "#444444"


def draw_architecture(architecture: Architecture, out: FilePath, *, title: str | None = None) -> None:
    """Draws both cells, inputs at the bottom, and writes the picture.

    Args:
        architecture: what to draw; its operations and norms need not be known ones.
        out: the file, whose suffix says which format: .svg, .png or .pdf. Folders on the way are made.
        title: stands above the cells.

    Raises:
        ValueError: if the suffix is another one.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a drawing must end in {', '.join(SUFFIXES)}, got {out.name!r:.100}")
    figure = architecture_figure(architecture, title=title)
    out.parent.mkdir(parents=True, exist_ok=True)
    dpi = min(200.0, MOST_PIXELS / max(figure.get_size_inches()))
    # Without the salt and the date, equal drawings are equal files.
    with rc_context({"svg.hashsalt": "nas"}):
        metadata = {".png": None, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[out.suffix.lower()]
        figure.savefig(out, dpi=dpi, metadata=metadata)


def architecture_figure(architecture: Architecture, *, title: str | None = None) -> Figure:
    """Both cells side by side as a matplotlib figure; one unit of its axes is a point (1/72 inch)."""
    ops = {edge.op for cell in (architecture.normal, architecture.reduction) for b in cell.blocks for edge in b.edges}
    op_width = min(MOST_OP_WIDTH, max(LEAST_OP_WIDTH, *(text_width(line) + 10 for op in ops for line in op_label(op))))
    layouts = [place_cell(cell, op_width) for cell in (architecture.normal, architecture.reduction)]
    heading = _heading(architecture, title)
    height = max(layout.height for layout in layouts) + CAPTION_HEIGHT + OUTPUT_LABEL_HEIGHT
    size = (
        sum(layout.width for layout in layouts) + CELL_GAP + 2 * MARGIN,
        height + 2 * MARGIN + (TITLE_HEIGHT if heading else 0),
    )
    figure = Figure(figsize=(size[0] / 72, size[1] / 72))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(0, size[1]))
    axes.set_axis_off()
    left = MARGIN
    for name, layout in zip(("Normal cell", "Reduction cell"), layouts, strict=True):
        _draw_cell(axes, layout, (left, MARGIN + CAPTION_HEIGHT))
        axes.text(left + layout.width / 2, MARGIN, name, ha="center", va="bottom", size=TITLE_SIZE)
        left += layout.width + CELL_GAP
    if heading:
        axes.text(size[0] / 2, size[1] - MARGIN, heading, ha="center", va="top", size=TITLE_SIZE, parse_math=False)
    return figure


def _heading(architecture: Architecture, title: str | None) -> str:
    stages = architecture.appearance_stages
    plural = "" if stages == 1 else "s"
    parts = (title or "", "" if stages is None else f"instance-type norms in {stages} stage{plural} only")
    return ", ".join(part for part in parts if part)


def op_label(op: str) -> tuple[str, ...]:
    """One or two lines for the box of an operation: ``sep_conv_3x3`` becomes sep and 3 by 3."""
    sizes = re.findall(r"\d+x\d+", op)
    word = re.sub(r"_?\d+x\d+", "", op).strip("_")
    words = WORDS.get(word, word.replace("_", " "))
    return tuple(line for line in (words, " ".join(sizes).replace("x", "\N{MULTIPLICATION SIGN}")) if line)


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Width of a line of text in points."""
    return float(TextPath((0, 0), text, size=size, prop=FontProperties()).get_extents().width) if text.strip() else 0.0


def fit_text(text: str, size: float, width: float) -> tuple[str, float]:
    """Makes a line of text smaller, and at last cuts it, until it fits into a width in points."""
    size = max(min(size, LEAST_SIZE), size * min(1.0, width / max(1.0, text_width(text, size))))
    if text_width(text, size) <= width + 0.01:
        return text, size
    while text and text_width(text + ELLIPSIS, size) > width:
        text = text[:-1]
    return text + ELLIPSIS, size


def _draw_cell(axes: Axes, layout: Layout, corner: tuple[float, float]) -> None:
    for line in layout.lines:
        axes.add_patch(_arrow(line, corner))
    for box in layout.boxes:
        _draw_box(axes, box, corner)
    output = next(box for box in layout.boxes if box.kind == "output")
    end = layout.height + 14
    axes.add_patch(_arrow(Line(OUTPUT, ((output.x, layout.height), (output.x, end))), corner))
    axes.text(corner[0] + output.x, corner[1] + end + 2, "$h_{i+1}$", ha="center", va="bottom", size=FONT_SIZE + 1)


def _draw_box(axes: Axes, box: Box, corner: tuple[float, float]) -> None:
    x, y = corner[0] + box.x, corner[1] + box.y
    rounding = 9.0 if box.kind == "input" else 3.0
    axes.add_patch(
        FancyBboxPatch(
            (x - box.width / 2, y - box.height / 2),
            box.width,
            box.height,
            boxstyle=f"round,pad=0,rounding_size={rounding}",
            facecolor=_colour(box),
            edgecolor=EDGE_COLOUR,
            linewidth=0.8,
            zorder=3,
        )
    )
    for offset, text, size in _texts(box):
        # Lines are set by their base, or letters that reach below it would lift the others.
        base = y + offset - 0.36 * size
        axes.text(x, base, text, ha="center", va="baseline", size=size, zorder=4, parse_math=box.kind == "input")


def _texts(box: Box) -> Iterator[tuple[float, str, float]]:
    """The lines of a label: height above the middle, text and size."""
    if box.kind == "input":
        yield 1.0, ("$h_{i-1}$", "$h_i$")[int(box.name)], FONT_SIZE + 1
        return
    lines = [(line, FONT_SIZE) for line in (op_label(box.name) if box.kind == "op" else (box.name,))]
    if box.detail:
        lines.append((box.detail, SMALL_SIZE))
    for index, (line, size) in enumerate(lines):
        offset = ((len(lines) - 1) / 2 - index) * 11.0
        # Letters on a raster come out up to a twentieth wider than their outlines.
        yield offset, *fit_text(line, size, 0.95 * (box.width - 4))


def _colour(box: Box) -> str:
    if box.kind != "op":
        return COLOURS.get(box.kind) or COLOURS[box.name]
    return next((colour for part, colour in OP_COLOURS if part in box.name), OTHER_OP_COLOUR)


def _arrow(line: Line, corner: tuple[float, float]) -> FancyArrowPatch:
    return FancyArrowPatch(
        path=line_path(line, corner),
        arrowstyle="-|>,head_length=3.2,head_width=1.6" if line.source is not None else "-",
        color=OTHER_LINE_COLOUR if line.source is None else LINE_COLOURS.get(line.source, OTHER_LINE_COLOUR),
        linewidth=0.9,
        shrinkA=0,
        shrinkB=0,
        zorder=2,
    )


def line_path(line: Line, corner: tuple[float, float] = (0.0, 0.0)) -> Path:
    """The way of a line: straight up, or an S between two verticals."""
    points = [(corner[0] + x, corner[1] + y) for x, y in line.points]
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x, y), (next_x, next_y) in pairwise(points):
        middle = (y + next_y) / 2
        vertices += [(x, middle), (next_x, middle), (next_x, next_y)]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)
