"""Segmenters: torchvision's where the settings are, trained anywhere, with losses that ignore what has no class."""

import math

import pytest
import torch
from torch import nn
from torchvision.models import segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.resnet import resnet18
from torchvision.ops import FrozenBatchNorm2d

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.backbone import build_backbone
from nas.downstream.segmentation.classes import IGNORED
from nas.downstream.segmentation.networks import build_segmenter, pixel_loss
from nas.downstream.segmentation.settings import HeadSpec
from nas.fidelity import NetworkSpec
from nas.models.normalization import BatchNorm, GroupNorm
from nas.models.reference.names import ReferenceNetwork

CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "identity")),))
SMALL = NetworkSpec(num_filters=8, num_repeats=1, num_stages=2)


def make(spec=HeadSpec(), network=SMALL, *, architecture=Architecture(CELL, CELL), num_classes=3, seed=0):  # noqa: B008
    backbone = build_backbone(architecture, network, seed=seed)
    return build_segmenter(backbone, num_classes, spec, seed=seed)


@pytest.mark.parametrize(("kind", "count"), [("fcn", 35_322_218), ("deeplab", 42_004_074)])
def test_torchvisions_counts(kind, count):
    """Of fcn_resnet50 and deeplabv3_resnet50 with auxiliary head, for the 21 classes of VOC."""
    with torch.device("meta"):
        network = make(
            HeadSpec(kind, auxiliary=True),
            NetworkSpec(stem="imagenet"),
            architecture=ReferenceNetwork("resnet50"),
            num_classes=21,
        )
    assert sum(weight.numel() for weight in network.parameters()) == count


@pytest.mark.parametrize("kind", ["fcn", "deeplab"])
def test_the_same_weights_give_torchvisions_logits(kind):
    ours = make(
        HeadSpec(kind, auxiliary=True), NetworkSpec(stem="imagenet"), architecture=ReferenceNetwork("resnet18")
    ).eval()
    body = resnet18()
    body.load_state_dict(ours.backbone.network.state_dict() | {f"fc.{k}": v for k, v in body.fc.state_dict().items()})
    model = segmentation.FCN if kind == "fcn" else segmentation.DeepLabV3
    body = IntermediateLayerGetter(body, {"layer3": "aux", "layer4": "out"})
    theirs = model(body, ours.head, ours.auxiliary).eval()
    images = torch.rand(2, 3, 65, 50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs((images - ours.mean) / ours.std)
        assert torch.equal(ours(images), expected["out"])
        truth = torch.randint(3, (2, 65, 50), generator=torch.Generator().manual_seed(0))
        losses = ours(images, truth)
        cross_entropy = nn.functional.cross_entropy
        torch.testing.assert_close(losses["pixels"], cross_entropy(expected["out"], truth))
        torch.testing.assert_close(losses["auxiliary"], 0.5 * cross_entropy(expected["aux"], truth))


def test_a_segmenter_at_output_stride_8():
    """As in IBN-Net and Bag of Tricks; the description of the weights rebuilds the dilation."""
    ours = make(HeadSpec(output_stride=8), NetworkSpec(stem="imagenet"), architecture=ReferenceNetwork("resnet18"))
    assert ours.backbone.strides == (4, 8, 8, 8)
    plain = make(HeadSpec(), NetworkSpec(stem="imagenet"), architecture=ReferenceNetwork("resnet18"))
    assert ours.state_dict().keys() == plain.state_dict().keys()
    with torch.no_grad():
        images = torch.rand(1, 3, 65, 50)
        assert list(ours.eval().backbone(images)["3"].shape[2:]) == [9, 7]
        assert ours(images).shape == plain.eval()(images).shape


@pytest.mark.parametrize("kind", ["fcn", "deeplab"])
@pytest.mark.parametrize("norm", [None, "gn", "frozen_bn"])
def test_every_norm_trains_with_a_single_image(kind, norm):
    network = make(HeadSpec(kind, auxiliary=True, norm=norm, atrous_rates=(1, 2, 3))).train()
    losses = network(torch.rand(1, 3, 16, 12), torch.zeros(1, 16, 12, dtype=torch.int64))
    sum(losses.values()).backward()
    assert all(math.isfinite(loss.detach()) for loss in losses.values())
    assert all(weight.grad is not None for weight in network.parameters())
    norms = {type(each) for each in network.head.modules() if isinstance(each, nn.BatchNorm2d | nn.GroupNorm)}
    assert norms == {GroupNorm if norm == "gn" else BatchNorm}
    replaced = {"gn": GroupNorm, "frozen_bn": FrozenBatchNorm2d, None: BatchNorm}[norm]
    kinds = (nn.BatchNorm2d, nn.GroupNorm, FrozenBatchNorm2d)
    assert {type(each) for each in network.backbone.modules() if isinstance(each, kinds)} == {replaced}
    assert network.eval()(torch.rand(2, 3, 9, 7)).shape == (2, 3, 9, 7)


def test_the_loss_is_the_mean_over_labelled_pixels():
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    truth = torch.randint(3, (2, 4, 5), generator=torch.Generator().manual_seed(0))
    truth[0] = IGNORED
    expected = nn.functional.cross_entropy(logits[1:], truth[1:])
    torch.testing.assert_close(pixel_loss(logits, truth), expected)
    nothing = pixel_loss(logits, torch.full_like(truth, IGNORED))
    nothing.backward()
    assert nothing == 0
    assert (logits.grad == 0).all()


def test_weights_follow_from_the_seed():
    before = torch.get_rng_state()
    first, again, other = (make(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.0.weight"], other["head.0.weight"])
    assert torch.equal(torch.get_rng_state(), before)


def test_backbones_that_do_not_fit():
    with pytest.raises(ValueError, match=r"network\.in_channels must be 3, got 1"):
        make(network=NetworkSpec(num_filters=8, in_channels=1))
    with pytest.raises(ValueError, match="needs a backbone of at least 2 stages, got 1"):
        make(HeadSpec(auxiliary=True), NetworkSpec(num_filters=8, num_stages=1))
    with pytest.raises(ValueError, match="at least 4 channels, got 2"):
        make(network=NetworkSpec(num_filters=2, num_stages=1))
