from __future__ import annotations

import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.edge_cell import EdgeCell
from nas.fidelity import NetworkSpec
from nas.latency.parts import Operator, parts_of

SPEC = NetworkSpec(num_filters=2, num_repeats=1, num_stages=1, image_size=8, in_channels=1)


def count(blocks, word):
    """How often a part whose name holds a word occurs in a network of one cell of these blocks."""
    cell = Cell(blocks)
    parts = parts_of(Architecture(cell, cell), SPEC)
    return sum(part.count for name, part in parts.items() if word in name)


def test_layers_are_one_part_each():
    blocks = (Block(Edge(0, "conv_3x3"), Edge(1, "sep_conv_5x5")),)
    assert count(blocks, "kernel_size=(3, 3), stride=(1, 1), bias=False)") == 2  # the stem's, and the operation
    assert count(blocks, "kernel_size=(5, 5)") == 1
    assert count(blocks, "Linear") == 1
    assert count(blocks, "aten.convolution") == 0  # operators within layers are no parts of their own


@pytest.mark.parametrize(("right", "num_pools"), [(Edge(1, "max_pool_3x3"), 1), (Edge(1, "max_pool_5x5"), 2)])
def test_a_view_that_two_operations_share_is_computed_once(right, num_pools):
    assert count((Block(Edge(1, "max_pool_3x3"), right),), "max_pool2d") == num_pools


def test_additions_and_concatenations_are_parts():
    for combine, number in (("add", 2), ("concat", 1)):
        blocks = (Block(Edge(1, "identity"), Edge(1, "identity")), Block(Edge(2, "identity"), Edge(1, "identity")))
        mixed = (blocks[0], Block(blocks[1].left, blocks[1].right, combine=combine))
        assert count(mixed, "aten.add.Tensor") == number
        assert count(mixed, "aten.cat") == (combine == "concat")


def test_a_concatenation_of_several_maps_is_one_of_two():
    """So that a table of some networks knows those of others with as many channels."""
    cell = Cell(tuple(Block(Edge(1, "identity"), Edge(1, "identity")) for _ in range(3)))
    parts = parts_of(Architecture(cell, cell), SPEC)
    (joined,) = (part for name, part in parts.items() if "aten.cat" in name)
    assert joined.module(torch.empty(joined.shape, device="meta")).shape == (1, 6, 8, 8)
    assert joined.shape == (1, 3, 8, 8)


def test_cells_with_operations_on_edges_have_parts_too():
    parts = parts_of(EdgeCell(("nor_conv_3x3",) * 6), SPEC)
    assert sum(part.count for name, part in parts.items() if "kernel_size=(3, 3)" in name) >= 6


def test_an_operator_is_called_with_another_first_map():
    maps = [torch.full((1, 1, 2, 2), float(value)) for value in (1, 2, 3)]
    joined = Operator(torch.ops.aten.cat.default, (maps, 1), {})
    assert joined(maps[2]).flatten(2).amax(2).tolist() == [[3.0, 2.0, 3.0]]
    pooled = Operator(torch.ops.aten.max_pool2d_with_indices.default, (maps[0], [2, 2]), {})
    assert pooled(maps[1]).tolist() == [[[[2.0]]]]
    assert len(list(joined.buffers())) == 2


def test_running_a_part_changes_no_counts():
    cell = Cell((Block(Edge(1, "conv_3x3"), Edge(1, "identity")),))
    parts = parts_of(Architecture(cell, cell), SPEC)
    before = {name: part.count for name, part in parts.items()}
    for part in parts.values():
        part.module(torch.empty(part.shape, device="meta"))
    assert {name: part.count for name, part in parts.items()} == before
