"""`nas draw`: draws the cells of an architecture in one figure; those of blocks in NASNet's style (1707.07012)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path as FilePath

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from experiments.architectures.cell_layout import Box, Layout, Line, place_cell
from experiments.architectures.draw_edges import edge_cell_figure
from experiments.architectures.op_labels import op_label
from experiments.architectures.text_fit import FONT_SIZE, TITLE_SIZE, fit_text, text_width
from experiments.runs.figures import write_figure
from nas.architecture import Architecture
from nas.descriptions import CellDescription
from nas.edge_cell import EdgeCell
from nas.files.storage import make_folder

SUFFIXES = {".svg": {"Date": None}, ".png": None, ".pdf": {"CreationDate": None}}
"""Suffixes of drawings with their metadata; a fixed salt and no date make equal drawings equal files."""
SMALL_SIZE = 6.5
MIN_OP_WIDTH, MAX_OP_WIDTH = 44.0, 110.0
MARGIN, CELL_GAP, CAPTION_HEIGHT, OUTPUT_LABEL_HEIGHT, TITLE_HEIGHT = 16.0, 44.0, 24.0, 28.0, 24.0
KEY_FONT, KEY_SIZE, KEY_SPACE, KEY_HEIGHT, KEY_GAP = 7.5, 9.0, 14.0, 15.0, 10.0
MIN_WIDTH = 240.0
MAX_PIXELS = 12_000

OP_COLOURS = (("sep", "#fde3a7"), ("conv", "#f8cdb8"), ("pool", "#cfe8cf"), ("identity", "#e4e4e4"))
"""Colours of operations by a part of their name; the first match counts."""
OTHER_OP_COLOUR = "#e6dcf3"
COLOURS = {"input": "#d7dfe8", "output": "#d7dfe8", "add": "#cfe0f5", "concat": "#f3d3e4"}
LINE_COLOURS = {0: "#b4532a", 1: "#2f5f9e"}
OP_KEYS = {"sep": "separable convolution", "conv": "convolution", "pool": "pool", "identity": "identity"}
LINE_KEYS = {0: "from $h_{i-1}$", 1: "from $h_i$"}
NAMES = ("Normal cell", "Reduction cell")
OTHER_LINE_COLOUR = "#555555"
OUTPUT = -1
"""The output as the source of a line."""
EDGE_COLOUR = "#444444"


def draw_architecture(architecture: CellDescription, out: FilePath, *, title: str | None = None) -> None:
    """Draws the cells of an architecture and writes the figure; missing folders are made.

    Unknown operations and norms are allowed. Raises ValueError if the suffix of the file is not one of `SUFFIXES`.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a drawing must end in {', '.join(SUFFIXES)}, got {out.name!r:.100}")
    figure = architecture_figure(architecture, title=title)
    make_folder(out.parent)
    dpi = min(200.0, MAX_PIXELS / max(figure.get_size_inches()))
    with rc_context({"svg.hashsalt": "nas"}):
        write_figure(figure, out, dpi=dpi, metadata=SUFFIXES[out.suffix.lower()])


def architecture_figure(architecture: CellDescription, *, title: str | None = None) -> Figure:
    """Draws the cells side by side; one unit of the axes is a point (1/72 inch)."""
    if isinstance(architecture, EdgeCell):
        return edge_cell_figure(architecture, title=title)
    return _figure(_layouts(architecture), _heading(architecture, title))


def cell_figures(architecture: CellDescription) -> dict[str, Figure]:
    """Draws each cell in a figure of its own, by its name, for pages that are narrower than both."""
    if isinstance(architecture, EdgeCell):
        return {"Cell": edge_cell_figure(architecture)}
    heading = _heading(architecture, None)
    return {name: _figure({name: layout}, heading) for name, layout in _layouts(architecture).items()}


def _layouts(architecture: Architecture) -> dict[str, Layout]:
    cells = (architecture.normal, architecture.reduction)
    ops = {edge.op for cell in cells for block in cell.blocks for edge in block.edges}
    op_width = min(MAX_OP_WIDTH, max(MIN_OP_WIDTH, *(text_width(line) + 10 for op in ops for line in op_label(op))))
    return {name: place_cell(cell, op_width) for name, cell in zip(NAMES, cells, strict=True)}


def _figure(layouts: Mapping[str, Layout], heading: str) -> Figure:
    """Draws cells side by side, with their names and a key to the colours below them."""
    keys = _keys(layouts.values())
    width = sum(layout.width for layout in layouts.values()) + CELL_GAP * (len(layouts) - 1) + 2 * MARGIN
    width = max(width, MIN_WIDTH)
    rows = _key_rows(keys, width - 2 * MARGIN)
    below = MARGIN + KEY_HEIGHT * len(rows) + KEY_GAP
    height = max(layout.height for layout in layouts.values()) + CAPTION_HEIGHT + OUTPUT_LABEL_HEIGHT + below + MARGIN
    height += TITLE_HEIGHT if heading else 0
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    free = width - sum(layout.width for layout in layouts.values()) - CELL_GAP * (len(layouts) - 1)
    left = free / 2
    for name, layout in layouts.items():
        _draw_cell(axes, layout, (left, below + CAPTION_HEIGHT))
        axes.text(left + layout.width / 2, below, name, ha="center", va="bottom", size=TITLE_SIZE)
        left += layout.width + CELL_GAP
    for number, row in enumerate(rows):
        _draw_keys(axes, row, MARGIN + KEY_HEIGHT * (len(rows) - number - 0.5), width)
    if heading:
        axes.text(width / 2, height - MARGIN, heading, ha="center", va="top", size=TITLE_SIZE, parse_math=False)
    return figure


def _keys(layouts: Iterable[Layout]) -> list[tuple[str, str]]:
    """The colours that occur with their meanings: those of boxes, then those of lines."""
    shown = list(layouts)
    boxes = [box for layout in shown for box in layout.boxes]
    ops = {_colour(box) for box in boxes if box.kind == "op"}
    combines = {_colour(box) for box in boxes if box.kind == "combine"}
    sources = {line.source for layout in shown for line in layout.lines}
    named = [(colour, OP_KEYS[part]) for part, colour in OP_COLOURS if colour in ops]
    named += [(OTHER_OP_COLOUR, "other operation")] if OTHER_OP_COLOUR in ops else []
    named += [(COLOURS[name], name) for name in ("add", "concat") if COLOURS[name] in combines]
    return named + [(LINE_COLOURS[source], LINE_KEYS[source]) for source in LINE_COLOURS if source in sources]


def _key_rows(keys: Sequence[tuple[str, str]], width: float) -> list[list[tuple[str, str]]]:
    """Divides the key among rows of a width."""
    rows: list[list[tuple[str, str]]] = [[]]
    for key in keys:
        if rows[-1] and sum(map(_key_width, (*rows[-1], key))) > width:
            rows.append([])
        rows[-1].append(key)
    return rows


def _key_width(key: tuple[str, str]) -> float:
    return KEY_SIZE + 4 + text_width(key[1], KEY_FONT) + KEY_SPACE


def _draw_keys(axes: Axes, keys: Sequence[tuple[str, str]], y: float, width: float) -> None:
    x = (width - sum(map(_key_width, keys)) + KEY_SPACE) / 2
    for key in keys:
        colour, name = key
        is_line = colour in LINE_COLOURS.values()
        thickness = 1.6 if is_line else KEY_SIZE
        box = Rectangle((x, y - thickness / 2), KEY_SIZE, thickness, fc=colour, ec="none" if is_line else EDGE_COLOUR)
        box.set_linewidth(0.5)
        axes.add_patch(box)
        axes.text(x + KEY_SIZE + 4, y - 0.36 * KEY_FONT, name, ha="left", va="baseline", size=KEY_FONT)
        x += _key_width(key)


def _heading(architecture: Architecture, title: str | None) -> str:
    stages = architecture.appearance_stages
    norms = "" if stages is None else f"instance-type norms in {stages} stage{'s' * (stages != 1)} only"
    return ", ".join(part for part in (title, norms) if part)


def _draw_cell(axes: Axes, layout: Layout, corner: tuple[float, float]) -> None:
    for line in layout.lines:
        axes.add_patch(_arrow(line, corner))
    for box in layout.boxes:
        _draw_box(axes, box, corner)
    output = next(box for box in layout.boxes if box.kind == "output")
    end = layout.height + 14
    axes.add_patch(_arrow(Line(OUTPUT, ((output.x, layout.height), (output.x, end)), output.state), corner))
    axes.text(corner[0] + output.x, corner[1] + end + 2, "$h_{i+1}$", ha="center", va="bottom", size=FONT_SIZE + 1)


def _draw_box(axes: Axes, box: Box, corner: tuple[float, float]) -> None:
    x, y = corner[0] + box.x, corner[1] + box.y
    rounding = 9.0 if box.kind == "input" else 3.0
    shape = f"round,pad=0,rounding_size={rounding}"
    lower_left = (x - box.width / 2, y - box.height / 2)
    patch = FancyBboxPatch(lower_left, box.width, box.height, boxstyle=shape, fc=_colour(box), ec=EDGE_COLOUR, zorder=3)
    patch.set_linewidth(0.8)
    axes.add_patch(patch)
    for offset, text, size in _texts(box):
        # Aligned by baseline, since alignment by the centre would depend on descenders.
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
        # Rasterized letters are up to 5 % wider than their outlines.
        yield offset, *fit_text(line, size, 0.95 * (box.width - 4))


def _colour(box: Box) -> str:
    if box.kind != "op":
        return COLOURS.get(box.kind) or COLOURS[box.name]
    return next((colour for part, colour in OP_COLOURS if part in box.name), OTHER_OP_COLOUR)


def _arrow(line: Line, corner: tuple[float, float]) -> FancyArrowPatch:
    arrow = "-" if line.source is None else "-|>,head_length=3.2,head_width=1.6"
    colour = OTHER_LINE_COLOUR if line.source is None else LINE_COLOURS.get(line.source, OTHER_LINE_COLOUR)
    path = line_path(line, corner)
    return FancyArrowPatch(path=path, arrowstyle=arrow, color=colour, linewidth=0.9, shrinkA=0, shrinkB=0, zorder=2)


def line_path(line: Line, corner: tuple[float, float] = (0.0, 0.0)) -> Path:
    """Returns the path of a line: straight up, or an S between two verticals."""
    points = [(corner[0] + x, corner[1] + y) for x, y in line.points]
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x, y), (next_x, next_y) in pairwise(points):
        middle = (y + next_y) / 2
        vertices += [(x, middle), (next_x, middle), (next_x, next_y)]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)
