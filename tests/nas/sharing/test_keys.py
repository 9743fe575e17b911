from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.edge_cell import EdgeCell
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.reference.names import ReferenceNetwork
from nas.sharing.keys import shared_tensors

SPEC = NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=2)
LEFT = Block(Edge(0, "conv_3x3"), Edge(1, "conv_1x1"))
RIGHT = Block(Edge(1, "sep_conv_3x3"), Edge(0, "identity"), norm="in")
CHAIN = Block(Edge(2, "conv_1x1"), Edge(1, "identity"))
WIDE = Block(Edge(0, "conv_1x1"), Edge(1, "conv_1x1"), combine="concat")


def architecture(*blocks: Block, **settings: object) -> Architecture:
    return Architecture(Cell(blocks), Cell(blocks), **settings)


def tensors(*blocks: Block, **settings: object) -> dict[str, torch.Tensor]:
    return shared_tensors(build(architecture(*blocks, **settings), SPEC))


@pytest.mark.parametrize("blocks", [(LEFT,), (LEFT, RIGHT), (WIDE, CHAIN), (WIDE, RIGHT, RIGHT)], ids=len)
def test_every_trainable_number_has_one_key(blocks):
    network = build(architecture(*blocks), replace(SPEC, auxiliary=True))
    found = shared_tensors(network)
    assert sum(view.numel() for view in found.values()) == sum(each.numel() for each in network.parameters())
    for view in found.values():
        view.fill_(7.0)
    assert all((each == 7).all() for each in network.parameters())


def test_keys_name_stage_cell_block_side_source_operation_norm_and_shape():
    found = tensors(LEFT, RIGHT)
    assert found["stage0.cell0.block0.left.state0.conv_3x3.bn.layers.0.weight[4x12x3x3]"].shape == (4, 12, 3, 3)
    assert "stage1.cell2.block1.left.state1.sep_conv_3x3.in.layers.1.weight[8x8x1x1]" in found
    assert "stem.0.weight[12x1x3x3]" in found


def test_networks_share_the_operations_that_they_have_at_the_same_place():
    one, other = tensors(LEFT, RIGHT), tensors(RIGHT, LEFT)
    in_blocks = {key for key in one if ".block" in key}
    assert in_blocks
    assert not in_blocks & other.keys()
    same_first = tensors(LEFT, CHAIN)
    assert {key for key in in_blocks if ".block0." in key} == {key for key in same_first if ".block0." in key}


def test_what_reads_the_output_of_a_cell_is_shared_state_by_state():
    """One cell has the loose ends 2 and 3, the other 3 only; both read state 3 through the same weights."""
    both, last = tensors(LEFT, RIGHT), tensors(LEFT, CHAIN)
    assert {key for key in both if key.startswith("classifier.weight")} == {
        "classifier.weight.of2[10x8]",
        "classifier.weight.of3[10x8]",
    }
    assert {key for key in last if key.startswith("classifier.weight")} == {"classifier.weight.of3[10x8]"}
    assert "classifier.weight.of2[10x16]" in tensors(WIDE)


def test_a_norm_that_a_deeper_stage_does_not_have_is_shared_as_what_replaces_it():
    shallow, plain = tensors(RIGHT, appearance_stages=1), tensors(replace(RIGHT, norm="bn"))
    common = {key for key in shallow.keys() & plain.keys() if ".block" in key}
    assert {key.split(".")[0] for key in common} == {"stage1"}


def test_edges_have_node_source_and_operation():
    one = shared_tensors(build(EdgeCell(("nor_conv_3x3", "skip_connect", "nor_conv_1x1")), replace(SPEC, image_size=9)))
    other = shared_tensors(build(EdgeCell(("nor_conv_3x3", "none", "none")), replace(SPEC, image_size=9)))
    assert "stages.1.1.node2.state1.nor_conv_1x1.layers.0.weight[8x8x1x1]" in one
    only = {key for key in one if "node2" in key}
    assert only
    assert one.keys() - other.keys() == only


def test_a_network_without_cells_is_refused():
    network = build(ReferenceNetwork("resnet18"), NetworkSpec())
    with pytest.raises(ValueError, match="only networks of cells can share weights, got ResidualNetwork"):
        shared_tensors(network)


def test_the_auxiliary_head_is_shared_state_by_state():
    network = build(architecture(LEFT, RIGHT), replace(SPEC, auxiliary=True))
    found = {key for key in shared_tensors(network) if key.startswith("auxiliary_head.mix.0")}
    assert {key.partition("[")[0] for key in found} == {f"auxiliary_head.mix.0.weight.of{state}" for state in (2, 3)}
