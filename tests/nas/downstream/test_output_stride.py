"""The stride of the last stages is removed: torchvision's dilated networks, and cells of any operations."""

import pytest
import torch
from torchvision.models.resnet import resnet50

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.backbone import build_backbone
from nas.downstream.output_stride import set_output_stride
from nas.fidelity import NetworkSpec
from nas.models.operations import OPERATIONS
from nas.models.reference.descriptions import description_from_json
from nas.models.reference.names import ReferenceNetwork

IMAGENET = NetworkSpec(stem="imagenet", num_filters=4, num_repeats=1, num_stages=3, num_stem_cells=2)


def images(height, width):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def maps(backbone, given):
    with torch.no_grad():
        return list(backbone(given).values())


def build(description, spec=IMAGENET):
    """In double precision, since sums in another order differ."""
    return build_backbone(description, spec, seed=0).double().eval()


def residual(name):
    return build(ReferenceNetwork(name), NetworkSpec(stem="imagenet"))


def cells(op):
    cell = Cell((Block(Edge(0, op), Edge(1, "conv_1x1")), Block(Edge(2, op), Edge(1, "identity"))))
    return Architecture(cell, cell)


def test_resnet_is_torchvisions_with_dilation():
    backbone = residual("resnet50")
    theirs = resnet50(replace_stride_with_dilation=[False, True, True]).double().eval()
    theirs.load_state_dict(backbone.network.state_dict() | {f"fc.{k}": v for k, v in theirs.fc.state_dict().items()})
    backbone.set_output_stride(8)
    given = images(65, 50)
    with torch.no_grad():
        state = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(given))))
        stages = theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4
        for ours, stage in zip(maps(backbone, given), stages, strict=True):
            state = stage(state)
            torch.testing.assert_close(ours, state)
    assert backbone.strides == (4, 8, 8, 8)


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", (64, 96)), ("resnet18", (65, 49)), ("resnet18-d-ibn-a", (64, 33))]
)
def test_every_second_pixel_of_a_dilated_resnet_is_that_of_the_strided_one(name, size):
    """Except for ResNet-D, whose shortcut averages where a stride would skip."""
    strided, dense = residual(name), residual(name)
    dense.set_output_stride(16)
    before, after = maps(strided, images(*size))[-1], maps(dense, images(*size))[-1]
    assert after.shape[2:] == tuple(-(-side // 16) for side in size)
    if "-d" not in name:
        torch.testing.assert_close(after[..., ::2, ::2], before)


@pytest.mark.parametrize("op", OPERATIONS)
def test_every_operation_of_cells_keeps_its_results_at_the_old_pixels(op):
    strided, dense = build(cells(op)), build(cells(op))
    dense.set_output_stride(16)
    before, after = maps(strided, images(96, 130)), maps(dense, images(96, 130))
    assert (strided.strides, dense.strides) == ((8, 16, 32), (8, 16, 16))
    for level in (0, 1):
        torch.testing.assert_close(before[level], after[level])
    assert after[2].shape[2:] == after[1].shape[2:]
    torch.testing.assert_close(after[2][..., ::2, ::2], before[2])
    assert not torch.allclose(after[2][..., 1::2, ::2], before[2])


@pytest.mark.parametrize("in_stage", [False, True])
def test_two_stages_of_cells_become_dense(in_stage):
    spec = NetworkSpec(
        stem="imagenet", num_filters=4, num_repeats=2, num_stages=3, num_stem_cells=2, reduction_in_stage=in_stage
    )
    strided, dense = (build(cells("sep_conv_3x3"), spec) for _ in range(2))
    dense.set_output_stride(8)
    before, after = maps(strided, images(96, 98)), maps(dense, images(96, 98))
    assert dense.strides == (8, 8, 8)
    assert {each.shape[2:] for each in after} == {before[0].shape[2:]}
    torch.testing.assert_close(after[1][..., ::2, ::2], before[1])
    torch.testing.assert_close(after[2][..., ::4, ::4], before[2])


def test_cells_with_operations_on_edges():
    arch = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    strided, dense = (
        build(description_from_json({"arch": arch}), NetworkSpec(num_filters=4, num_repeats=1, num_stages=5))
        for _ in range(2)
    )
    dense.set_output_stride(8)
    before, after = maps(strided, images(32, 48))[-1], maps(dense, images(32, 48))[-1]
    assert (dense.strides, after.shape[2:]) == ((1, 2, 4, 8, 8), (4, 6))
    torch.testing.assert_close(after[..., ::2, ::2], before)


def test_a_dense_network_trains():
    backbone = build(cells("max_pool_3x3")).train()
    backbone.set_output_stride(8)
    backbone(images(64, 64))["2"].sum().backward()
    assert all(weight.grad is not None for weight in backbone.parameters())


@pytest.mark.parametrize("stride", [16, 32])
def test_a_stride_that_the_stages_have_not_is_refused(stride):
    backbone = build(cells("conv_3x3"), NetworkSpec(num_filters=4, num_repeats=1, num_stages=5))
    with pytest.raises(ValueError, match=f"stride of a stage before the last, got {stride} of 1, 2, 4, 8, 16"):
        backbone.set_output_stride(stride)


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="is for networks of cells and residual networks"):
        set_output_stride(torch.nn.Identity(), (4, 8, 16, 32), 8)
