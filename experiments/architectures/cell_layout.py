"""Computes the layout of the drawing of a cell, without overlaps of boxes or lines through boxes.

A block is drawn as in the figures of NASNet (1707.07012): two operations side by side, their combination above them.
Lines bend only between layers. Lengths are in points (1/72 inch); y grows upwards, from the inputs to the output.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.architectures.cell_layers import Layers, Link, Node, arrange
from nas.architecture import Cell
from nas.canonical import NUM_INPUTS

OP_HEIGHT = 28.0
COMBINE_WIDTH, COMBINE_HEIGHT = 54.0, 28.0
INPUT_WIDTH, INPUT_HEIGHT = 48.0, 22.0
OUTPUT_WIDTH, OUTPUT_HEIGHT = 90.0, 22.0
PAIR_GAP = 8.0
RISE = 13.0
"""From the top of an operation to the bottom of its combination."""
BLOCK_HEIGHT = OP_HEIGHT + RISE + COMBINE_HEIGHT


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around (x, y) with a label.

    Attributes:
        kind: ``input``, ``op``, ``combine`` or ``output``.
        name: of an operation or a combination; the number of an input.
        detail: the norm of a combination.
        state: hidden state of the cell that it computes, or belongs to; the next number for the output.
    """

    kind: str
    name: str
    detail: str
    x: float
    y: float
    width: float
    height: float
    state: int


@dataclass(frozen=True, slots=True)
class Line:
    """A connection from a hidden state to an operation or to the output; `source` is None within a block.

    `target` is the hidden state that it leads to, numbered like that of a `Box`.

    The line is vertical at each of its points, (x, y) from below to above, and bends between.
    """

    source: int | None
    points: tuple[tuple[float, float], ...]
    target: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The boxes and lines of a cell, between (0, 0) and (width, height)."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def place_cell(cell: Cell, op_width: float) -> Layout:
    """Computes the layout of a cell; `op_width` is the width of the box of an operation."""
    widths = {
        "input": INPUT_WIDTH,
        "block": max(2 * op_width + PAIR_GAP, COMBINE_WIDTH),
        "output": OUTPUT_WIDTH,
        "pair": op_width + PAIR_GAP,
    }
    layers = arrange(cell, widths)
    _widen_output(layers)
    floors = _floors(layers)
    heights = {node: floor for floor, level in zip(floors, layers.levels, strict=True) for node in level}
    left = min(node.x - node.width / 2 for node in heights)
    right = max(node.x + node.width / 2 for node in heights)
    for node in heights:
        node.x -= left
    boxes = tuple(box for node, floor in heights.items() for box in _boxes(cell, node, floor, op_width))
    lines = [*_lines_within(heights), *_lines_between(layers, heights)]
    return Layout(boxes, tuple(lines), right - left, floors[-1] + OUTPUT_HEIGHT)


def _widen_output(layers: Layers) -> None:
    """Makes the output as wide as the states that it concatenates, so that their lines are vertical."""
    output = layers.levels[-1][0]
    ends = [link.tail.x for link in output.below]
    low, high = min(ends), max(ends)
    output.x = (low + high) / 2
    output.width = max(output.width, high - low + 24.0)


def _floors(layers: Layers) -> list[float]:
    """Lower side of each layer; lines with a large horizontal distance get more height between layers."""
    floors = [0.0]
    for depth, level in enumerate(layers.levels[:-1]):
        height = INPUT_HEIGHT if depth == 0 else BLOCK_HEIGHT
        furthest = max((abs(link.tail.x - _head_x(link)) for node in level for link in node.above), default=0.0)
        floors.append(floors[-1] + height + 30.0 + min(60.0, furthest / 8))
    return floors


def _head_x(link: Link) -> float:
    """Where a link ends; at the output, directly above its start."""
    return link.tail.x if link.head.kind == "output" else link.head_x


def _boxes(cell: Cell, node: Node, floor: float, op_width: float) -> Iterator[Box]:
    if node.kind == "input":
        yield Box("input", str(node.state), "", node.x, floor + INPUT_HEIGHT / 2, INPUT_WIDTH, INPUT_HEIGHT, node.state)
    elif node.kind == "output":
        yield Box("output", "concat", "", node.x, floor + OUTPUT_HEIGHT / 2, node.width, OUTPUT_HEIGHT, node.state)
    elif node.kind == "block":
        block = cell.blocks[node.state - NUM_INPUTS]
        edges = reversed(block.edges) if node.mirrored else block.edges
        for side, edge in zip((-1, 1), edges, strict=True):
            yield Box(
                "op", edge.op, "", node.x + side * node.port, floor + OP_HEIGHT / 2, op_width, OP_HEIGHT, node.state
            )
        middle = floor + BLOCK_HEIGHT - COMBINE_HEIGHT / 2
        norm = block.norm.rpartition(":")[2]
        yield Box("combine", block.combine, norm, node.x, middle, COMBINE_WIDTH, COMBINE_HEIGHT, node.state)


def _lines_within(heights: dict[Node, float]) -> Iterator[Line]:
    """From each operation to its combination."""
    for node, floor in heights.items():
        bottom = floor + OP_HEIGHT
        for side in (-1, 1) if node.kind == "block" else ():
            end = node.x + side * COMBINE_WIDTH / 4
            yield Line(None, ((node.x + side * node.port, bottom), (end, bottom + RISE)), node.state)


def _lines_between(layers: Layers, heights: dict[Node, float]) -> Iterator[Line]:
    for source, links in layers.routes:
        start = links[0].tail
        points = [(start.x, heights[start] + (INPUT_HEIGHT if source < NUM_INPUTS else BLOCK_HEIGHT))]
        for link in links:
            points.append((_head_x(link), heights[link.head]))
            if link.head.kind == "bend":
                points.append((link.head.x, heights[link.head] + BLOCK_HEIGHT))
        yield Line(source, tuple(points), links[-1].head.state)
