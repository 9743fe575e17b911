"""The norm of a classifier as a setting."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from nas.architecture import Architecture, Block, Cell, Edge
from nas.edge_cell import EdgeCell
from nas.fidelity import Fidelity, NetworkSpec
from nas.later_settings import plain
from nas.models.build import build
from nas.models.classifier_norm import instance_placement, place_in_cells
from nas.models.normalization import InstanceBatchNorm, InstanceNorm
from nas.models.reference.names import ReferenceNetwork
from nas.models.replace_norms import replace_norms
from nas.models.sync_norm import SyncBatchNorm

SPEC = NetworkSpec(num_classes=3, image_size=16, num_filters=4, num_repeats=1, num_stages=3, auxiliary=True)
CELLS = Architecture(
    Cell(
        (Block(Edge(0, "conv_3x3"), Edge(1, "identity")), Block(Edge(1, "sep_conv_3x3"), Edge(2, "identity"))), (0, 3)
    ),
    Cell((Block(Edge(0, "max_pool_3x3"), Edge(1, "conv_3x3")),)),
)
EDGES = EdgeCell.from_arch("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|")
DESCRIPTIONS = [CELLS, EDGES, ReferenceNetwork("resnet18"), ReferenceNetwork("timm:mobilenetv3_small_050")]
KINDS = {"gn": nn.GroupNorm, "syncbn": SyncBatchNorm, "frozen_bn": FrozenBatchNorm2d}


def spec_of(description, norm):
    spec = replace(SPEC, norm=norm)
    return replace(spec, auxiliary=False) if isinstance(description, EdgeCell) else spec


@pytest.mark.parametrize("norm", list(KINDS))
@pytest.mark.parametrize("description", DESCRIPTIONS, ids=["cells", "edges", "resnet18", "mobilenet"])
def test_every_batch_norm_is_replaced(description, norm):
    torch.manual_seed(0)
    plain = build(description, spec_of(description, "bn"))
    torch.manual_seed(0)
    network = build(description, spec_of(description, norm))
    count = sum(isinstance(part, nn.BatchNorm2d) for part in plain.modules())
    assert (
        sum(type(part) in {KINDS[norm], SyncBatchNorm} or isinstance(part, KINDS[norm]) for part in network.modules())
        == count
    )
    assert norm == "syncbn" or not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())
    weights = [part.weight for part in network.modules() if isinstance(part, nn.Conv2d)]
    same = [part.weight for part in plain.modules() if isinstance(part, nn.Conv2d)]
    assert all(map(torch.equal, weights, same))  # equal seeds still mean equal weights
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        ours, theirs = network.eval()(images), plain.eval()(images)
    assert ours.isfinite().all()
    if norm != "gn":  # the same function before training; group norm computes another
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_activations_of_timms_norms_are_kept():
    torch.manual_seed(0)
    network = build(ReferenceNetwork("timm:mobilenetv3_small_050"), replace(SPEC, norm="gn"))
    first = network.network.bn1
    assert isinstance(first, nn.GroupNorm)
    images = torch.randn(1, 16, 4, 4)
    plain = nn.functional.group_norm(images, first.num_groups, first.weight, first.bias, first.eps)
    assert torch.equal(first(images), nn.functional.hardswish(plain))
    replace_norms(network, "gn")  # as a detector does
    assert network.network.bn1 is first


@pytest.mark.parametrize(
    ("norm", "stages", "num_mixed", "num_instance"),
    [
        ("ibn_a", None, 2, 0),
        ("ibn_a", 1, 1, 0),
        ("ibn_a", 3, 3, 0),
        ("ibn_a", 0, 0, 0),
        ("ibn_b", 0, 0, 0),
    ],
)
def test_cells_get_mixed_norms_in_their_first_stages(norm, stages, num_mixed, num_instance):
    cell = Cell((Block(Edge(1, "conv_3x3"), Edge(1, "identity")),))
    pooled = Cell((Block(Edge(1, "max_pool_3x3"), Edge(1, "max_pool_3x3")),))
    network = build(Architecture(cell, pooled), replace(SPEC, norm=norm, appearance_stages=stages))
    parts = list(network.modules())
    assert sum(isinstance(part, InstanceBatchNorm) for part in parts) == num_mixed
    alone = [part for part in parts if isinstance(part, InstanceNorm)]
    assert len(alone) - num_mixed == num_instance


def test_ibn_b_normalizes_the_stem_and_the_sums():
    network = build(CELLS, replace(SPEC, norm="ibn_b"))
    assert isinstance(network.stem[1], InstanceNorm)
    assert network.cells[0].blocks[0].after is not None
    assert network.cells[-1].blocks[0].after is None  # the last stage
    assert network.architecture == CELLS


def test_blocks_with_another_norm_keep_it():
    block = Block(Edge(0, "conv_3x3"), Edge(1, "identity"), norm="gn")
    architecture = Architecture(Cell((block,)), CELLS.reduction)
    placed = place_in_cells(architecture, replace(SPEC, norm="ibn_a"))
    assert placed.normal.blocks[0].norm == "gn"
    assert {each.norm for each in placed.reduction.blocks} == {"ibn_a"}
    assert placed.appearance_stages == 2
    assert place_in_cells(placed, replace(SPEC, norm="ibn_a")) == placed
    assert place_in_cells(CELLS, SPEC) == CELLS


def test_a_setting_is_the_name_of_a_reference_network():
    assert instance_placement(replace(SPEC, norm="ibn_a"), None, name="resnet50") == "a"
    assert instance_placement(SPEC, "b", name="resnet50-ibn-b") == "b"
    assert instance_placement(replace(SPEC, norm="gn"), None, name="resnet50") is None
    with pytest.raises(ValueError, match=r"network\.norm must be bn or the norm of resnet50-ibn-b, got ibn_a"):
        instance_placement(replace(SPEC, norm="ibn_a"), "b", name="resnet50-ibn-b")


def test_edges_have_no_instance_normalization():
    with pytest.raises(ValueError, match=r"network\.norm must be bn, gn, syncbn or frozen_bn"):
        build(EDGES, replace(SPEC, norm="ibn_a", auxiliary=False))


def test_the_settings_are_left_out_of_json_at_their_defaults():
    assert not {"norm", "appearance_stages", "dense_instance_ratio"} & set(plain(NetworkSpec()))
    spec = NetworkSpec(norm="gn", appearance_stages=2, dense_instance_ratio=0.3)
    value = Fidelity(spec).to_json()
    assert value["network"]["norm"] == "gn"
    assert Fidelity.from_json(value).network == spec
    assert Fidelity(spec).fingerprint != Fidelity().fingerprint
