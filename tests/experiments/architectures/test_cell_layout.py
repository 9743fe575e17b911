"""No box lies on another and no line runs through a box, for hundreds of cells."""

from __future__ import annotations

import dataclasses
import itertools
import random

import numpy as np
import pytest

from experiments.architectures.cell_layout import Box, Layout, Line, place_cell
from experiments.architectures.draw import line_path
from nas.architecture import Block, Cell, Edge
from search_spaces.nasnet import NASNET
from search_spaces.published import PUBLISHED

OP_WIDTH = 52.0
TWELVE = dataclasses.replace(NASNET, num_blocks=12)
CHAIN = Cell(tuple(Block(Edge(i + 1, "sep_conv_3x3"), Edge(max(0, i - 1), "conv_1x1")) for i in range(12)))
WIDE = Cell(tuple(Block(Edge(i % 2, "identity"), Edge(1, "conv_1x1")) for i in range(20)))
UNREAD = Cell((Block(Edge(0, "identity"), Edge(0, "identity")),) * 3, concat=(1, 3))
CELLS = {
    **{f"{name} {part}": getattr(PUBLISHED[name], part) for name in PUBLISHED for part in ("normal", "reduction")},
    "chain": CHAIN,
    "wide": WIDE,
    "unread": UNREAD,
}


def check(layout: Layout) -> None:
    for one, other in itertools.combinations(layout.boxes, 2):
        assert apart(one, other), (one, other)
    for box in layout.boxes:
        assert -1e-6 <= box.x - box.width / 2 < box.x + box.width / 2 <= layout.width + 1e-6
        assert -1e-6 <= box.y - box.height / 2 < box.y + box.height / 2 <= layout.height + 1e-6
    for line in layout.lines:
        points = samples(line)
        for box in layout.boxes:
            inside = (np.abs(points - (box.x, box.y)) < (box.width / 2 - 0.01, box.height / 2 - 0.01)).all(axis=1)
            assert not inside.any(), (line, box)


def apart(one: Box, other: Box, gap: float = 4.0) -> bool:
    return (
        abs(one.x - other.x) >= (one.width + other.width) / 2 + gap
        or abs(one.y - other.y) >= (one.height + other.height) / 2 + gap
    )


def samples(line: Line) -> np.ndarray:
    """Points along a line, bends included."""
    vertices = line_path(line).vertices
    times = np.linspace(0, 1, 20)[:, None]
    pieces = []
    for start in range(0, len(vertices) - 1, 3):
        a, b, c, d = vertices[start : start + 4]
        pieces.append(
            (1 - times) ** 3 * a + 3 * (1 - times) ** 2 * times * b + 3 * (1 - times) * times**2 * c + times**3 * d
        )
    return np.concatenate(pieces)


@pytest.mark.parametrize("name", CELLS)
def test_nothing_overlaps(name: str) -> None:
    check(place_cell(CELLS[name], OP_WIDTH))


def test_nothing_overlaps_in_random_cells() -> None:
    generator = random.Random(0)
    for _ in range(15):
        architecture = NASNET.decode(tuple(generator.randrange(c.num_options) for c in NASNET.choices))
        check(place_cell(architecture.normal, OP_WIDTH))
        check(place_cell(architecture.reduction, OP_WIDTH))


def test_nothing_overlaps_in_larger_cells() -> None:
    generator = random.Random(1)
    for _ in range(3):
        check(place_cell(TWELVE.decode(tuple(generator.randrange(c.num_options) for c in TWELVE.choices)).normal, 90.0))


@pytest.mark.parametrize("name", ["nasnet-a normal", "amoebanet-c reduction", "unread"])
def test_every_part_is_there(name: str) -> None:
    cell = CELLS[name]
    layout = place_cell(cell, OP_WIDTH)
    kinds = [box.kind for box in layout.boxes]
    assert [kinds.count(kind) for kind in ("input", "op", "combine", "output")] == [
        2,
        2 * len(cell.blocks),
        len(cell.blocks),
        1,
    ]
    assert sorted(box.name for box in layout.boxes if box.kind == "op") == sorted(
        edge.op for block in cell.blocks for edge in block.edges
    )
    sources = [edge.source for block in cell.blocks for edge in block.edges] + list(cell.output_states)
    assert sorted(line.source for line in layout.lines if line.source is not None) == sorted(sources)


def test_lines_end_at_the_boxes_that_they_serve() -> None:
    """Each operation has one line from below, which ends at the middle of its lower side."""
    layout = place_cell(CELLS["amoebanet-a normal"], OP_WIDTH)
    ends = sorted(tuple(np.round(line.points[-1], 6)) for line in layout.lines if line.source is not None)
    foots = [(round(box.x, 6), round(box.y - box.height / 2, 6)) for box in layout.boxes if box.kind == "op"]
    assert set(foots) <= set(ends)
    assert len(ends) == len(foots) + 4


def test_inputs_are_at_the_bottom_and_the_output_at_the_top() -> None:
    for cell in CELLS.values():
        boxes = sorted(place_cell(cell, OP_WIDTH).boxes, key=lambda box: box.y)
        assert [box.kind for box in boxes[:2]] == ["input", "input"]
        assert boxes[-1].kind == "output"


def test_norms_are_named() -> None:
    block = Block(Edge(0, "identity"), Edge(1, "conv_1x1"), "concat", "ibn_a")
    combination = next(box for box in place_cell(Cell((block,)), OP_WIDTH).boxes if box.kind == "combine")
    assert (combination.name, combination.detail) == ("concat", "ibn_a")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_inputs_are_on_the_same_sides_in_every_cell(name):
    for cell in (PUBLISHED[name].normal, PUBLISHED[name].reduction):
        inputs = {box.name: box.x for box in place_cell(cell, 60.0).boxes if box.kind == "input"}
        assert inputs["0"] < inputs["1"]
