"""Layers: what reads stands above what is read, orders save crossings, positions keep their distances."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from experiments.architectures.cell_layers import BEND_GAP, UNIT_GAP, Layers, arrange
from nas.architecture import Block, Cell, Edge
from search_spaces.nasnet import NASNET
from search_spaces.published import PUBLISHED

WIDTHS = {"input": 48.0, "block": 96.0, "output": 90.0, "pair": 52.0}


def block(left: int, right: int) -> Block:
    return Block(Edge(left, "identity"), Edge(right, "conv_1x1"))


def random_cells(num_cells: int) -> list[Cell]:
    generator = random.Random(0)
    decisions = [tuple(generator.randrange(c.num_options) for c in NASNET.choices) for _ in range(num_cells)]
    return [cell for d in decisions for cell in (NASNET.decode(d).normal, NASNET.decode(d).reduction)]


def num_crossings(layers: Layers) -> int:
    links = [link for _, route in layers.routes for link in route]
    level_of = {node: depth for depth, level in enumerate(layers.levels) for node in level}
    return sum(
        (one.tail.x - other.tail.x) * (one.head_x - other.head_x) < 0
        for index, one in enumerate(links)
        for other in links[:index]
        if level_of[one.tail] == level_of[other.tail] and "output" not in (one.head.kind, other.head.kind)
    )


@pytest.mark.parametrize("cell", random_cells(15))
def test_links_go_one_layer_up_and_routes_hang_together(cell: Cell) -> None:
    layers = arrange(cell, WIDTHS)
    level_of = {node: depth for depth, level in enumerate(layers.levels) for node in level}
    assert len(layers.routes) == 2 * len(cell.blocks) + len(cell.output_states)
    for source, route in layers.routes:
        assert route[0].tail.state == source
        assert route[-1].head.kind in {"block", "output"}
        assert all(level_of[link.head] == level_of[link.tail] + 1 for link in route)
        assert all(first.head is second.tail and first.head.kind == "bend" for first, second in pairwise(route))


@pytest.mark.parametrize("cell", random_cells(15))
def test_neighbours_keep_their_distance(cell: Cell) -> None:
    for level in arrange(cell, WIDTHS).levels:
        for left, right in pairwise(level):
            gap = BEND_GAP if "bend" in (left.kind, right.kind) else UNIT_GAP
            assert right.x - left.x >= (left.width + right.width) / 2 + gap - 1e-6


def test_each_state_stands_once_and_the_output_above_all() -> None:
    cell = Cell((block(0, 1), block(2, 0), block(2, 2)), concat=(0, 3))
    layers = arrange(cell, WIDTHS)
    states = [node.state for level in layers.levels for node in level if node.kind != "bend"]
    assert sorted(states) == [0, 1, 2, 3, 4, 5]
    assert [node.kind for node in layers.levels[-1]] == ["output"]


def test_no_crossing_where_none_is_needed() -> None:
    """Two blocks that read one input each, in the wrong order, and their readers."""
    cell = Cell((block(1, 1), block(0, 0), block(3, 3), block(2, 2), block(4, 4), block(5, 5)))
    assert num_crossings(arrange(cell, WIDTHS)) == 0


def test_operations_stand_above_their_sources() -> None:
    layers = arrange(Cell((block(0, 1),)), WIDTHS)
    left, right = (link for _, route in layers.routes for link in route if link.head.kind == "block")
    assert (left.tail.x < right.tail.x) == (left.head_x < right.head_x)


def test_the_reduction_cell_of_nasnet_a_needs_few_crossings() -> None:
    assert num_crossings(arrange(PUBLISHED["nasnet-a"].reduction, WIDTHS)) <= 4


def test_equal_cells_are_arranged_equally() -> None:
    cell = PUBLISHED["amoebanet-d"].normal
    first, second = (
        [[(node.state, node.x) for node in level] for level in arrange(cell, WIDTHS).levels] for _ in range(2)
    )
    assert first == second
