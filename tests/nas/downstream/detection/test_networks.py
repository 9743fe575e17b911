"""Detectors against torchvision's own, in the number of parameters and in what they find."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN, MaskRCNN, fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d

from nas.downstream.backbone import build_backbone
from nas.downstream.detection.networks import ImageTransform, Pyramid, build_detector, check_strides
from nas.downstream.detection.settings import DetectorSettings, ImageForm
from nas.downstream.norms import norm_layer
from nas.fidelity import NetworkSpec
from nas.models.normalization import GroupNorm
from nas.models.reference.names import ReferenceNetwork

SPEC = NetworkSpec(stem="imagenet", num_classes=1000, image_size=224)
COCO_FORM = ImageForm(tuple((number, str(number)) for number in range(1, 91)))


def build_resnet_detector(settings, form=COCO_FORM):
    return build_detector(build_backbone(ReferenceNetwork("resnet50"), SPEC, seed=0), settings, form)


@pytest.mark.parametrize(
    ("masks", "norm", "num_parameters"),
    [
        (False, "frozen_bn", 41_755_286),
        (True, "frozen_bn", 44_401_393),
        (False, "bn", 41_808_406),
        (True, "bn", 44_454_513),
    ],
)
def test_with_torchvisions_settings_the_parameters_are_torchvisions(masks, norm, num_parameters):
    with torch.device("meta"):
        ours = build_resnet_detector(DetectorSettings(masks=masks, norm=norm))
        layer = FrozenBatchNorm2d if norm == "frozen_bn" else nn.BatchNorm2d
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=layer, trainable_layers=5)
        theirs = (MaskRCNN if masks else FasterRCNN)(backbone, 91)
    assert sum(each.numel() for each in ours.parameters()) == num_parameters
    assert sum(each.numel() for each in theirs.parameters()) == num_parameters
    assert {_name(name): value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in theirs.state_dict().items() if not name.startswith("backbone.body.fc")
    }


@pytest.mark.parametrize("masks", [False, True])
def test_with_torchvisions_weights_what_is_found_is_torchvisions(masks):
    form = ImageForm(tuple((number, str(number)) for number in range(1, 6)), scales=(64,), max_side=96)
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(1)
        build = maskrcnn_resnet50_fpn if masks else fasterrcnn_resnet50_fpn
        theirs = build(
            weights=None,
            weights_backbone=None,
            num_classes=6,
            min_size=64,
            max_size=96,
            box_score_thresh=0.0,
            box_detections_per_img=20,
        ).eval()
        images = [torch.rand(3, 50, 70), torch.rand(3, 90, 60)]
    ours = build_resnet_detector(DetectorSettings(masks=masks, min_score=0.0, max_detections=20), form).eval()
    weights = theirs.state_dict()
    ours.load_state_dict({name: weights[_name(name)] for name in ours.state_dict()})
    with torch.no_grad():
        for mine, other in zip(ours(images), theirs(images), strict=True):
            assert mine.keys() == other.keys()
            assert len(mine["boxes"]) == 20
            assert all(torch.equal(mine[key], other[key]) for key in mine)


def _name(name):
    """Our name of a weight as torchvision's."""
    return name.replace("backbone.body.network.", "backbone.body.")


def test_anchors_follow_the_strides(plan):
    resnet = DetectorSettings()
    with torch.device("meta"):
        assert build_resnet_detector(resnet).rpn.anchor_generator.sizes == ((32,), (64,), (128,), (256,), (512,))
    small = build_detector(build_backbone(plan.architecture, plan.network, seed=0), DetectorSettings(), COCO_FORM)
    assert small.rpn.anchor_generator.sizes == ((8,), (16,), (32,), (64,))


def make_small(plan, **changes):
    from dataclasses import replace

    form = ImageForm(((3, "a"), (17, "b")), scales=(40,), max_side=64)
    backbone = build_backbone(plan.architecture, plan.network, seed=0)
    return build_detector(backbone, replace(plan.detector, **changes), form)


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("norm", ["gn", "bn", "syncbn"])
def test_small_networks_with_any_norm_give_losses_and_boxes(plan, norm, masks):
    network = make_small(plan, norm=norm, head_norm=norm, masks=masks)
    target = {"boxes": torch.tensor([[5.0, 5, 30, 30]]), "labels": torch.tensor([2])}
    target["masks"] = torch.zeros(1, 40, 60, dtype=torch.uint8)
    losses = network([torch.rand(3, 40, 60)], [target])
    assert len(losses) == 5 if masks else 4
    sum(losses.values()).backward()
    unused = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert not unused
    (found,) = network.eval()([torch.rand(3, 40, 60)])
    assert found["boxes"].shape == (10, 4)
    assert ("masks" in found) == masks


def test_images_without_objects_can_be_trained_on(plan):
    network = make_small(plan, masks=True)
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long(), "masks": torch.zeros(0, 40, 60).byte()}
    losses = network([torch.rand(3, 40, 60)], [nothing])
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone(plan):
    torch.manual_seed(5)
    first = make_small(plan).state_dict()
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert all(torch.equal(value, first[name]) for name, value in make_small(plan).state_dict().items())


def transform(**changes):
    form = ImageForm((), scales=(20, 30), max_side=50, mean=(0.5,) * 3, std=(0.25,) * 3)
    return ImageTransform(form, size_divisible=32, **changes)


def test_without_antialias_images_are_brought_to_size_as_torchvision_does():
    theirs = GeneralizedRCNNTransform(30, 50, [0.5] * 3, [0.25] * 3)
    image, target = torch.rand(3, 80, 100), {"boxes": torch.tensor([[10.0, 20, 50, 60]])}
    ours = transform(antialias=False).eval()([image], [target])
    expected = theirs.eval()([image], [target])
    assert torch.equal(ours[0].tensors, expected[0].tensors)
    assert torch.equal(ours[1][0]["boxes"], expected[1][0]["boxes"])


def test_with_antialias_images_are_smoothed_and_boxes_and_masks_go_along():
    stripes = torch.arange(100).remainder(2).float().expand(3, 80, 100)
    masks = torch.zeros(1, 80, 100, dtype=torch.uint8)
    masks[:, 20:60, 10:50] = 1
    target = {"boxes": torch.tensor([[10.0, 20, 50, 60]]), "masks": masks}
    images, targets = transform(antialias=True).eval()([stripes], [target])
    assert images.image_sizes == [(30, 37)]
    assert images.tensors[0, :, 2:-4, 2:35].abs().max() < 0.4  # grey, which normalizes to 0
    scaled = targets[0]["boxes"][0]
    assert torch.allclose(scaled, torch.tensor([3.7, 7.5, 18.5, 22.5]))
    assert targets[0]["masks"].sum() == pytest.approx(15 * 15, abs=16)
    sizes = {tuple(transform(antialias=True).train()([stripes])[0].image_sizes[0]) for _ in range(20)}
    assert sizes == {(20, 25), (30, 37)}


@pytest.fixture
def backbone(plan):
    return build_backbone(plan.architecture, plan.network, seed=0)


def test_maps_of_equal_width_stand_on_the_backbones(backbone):
    pyramid = Pyramid(backbone, 6)
    assert pyramid.strides == (1, 2, 4, 8)
    assert pyramid.levels == ("0", "1", "2")
    maps = pyramid(torch.rand(2, 3, 32, 40))
    assert {name: tuple(each.shape) for name, each in maps.items()} == {
        "0": (2, 6, 32, 40),
        "1": (2, 6, 16, 20),
        "2": (2, 6, 8, 10),
        "pool": (2, 6, 4, 5),
    }


def test_fine_maps_are_left_out(backbone):
    pyramid = Pyramid(backbone, 6, min_stride=2)
    assert pyramid.strides == (2, 4, 8)
    assert list(pyramid(torch.rand(1, 3, 32, 32))) == ["0", "1", "pool"]


@pytest.mark.parametrize("norm", ["none", "bn", "gn", "syncbn"])
def test_its_convolutions_are_normalized_if_asked(backbone, norm):
    pyramid = Pyramid(backbone, 8, norm=norm_layer(norm))
    kinds = {type(module) for module in pyramid.fpn.modules()}
    assert (GroupNorm in kinds) == (norm == "gn")
    assert any(issubclass(kind, nn.BatchNorm2d) for kind in kinds) == (norm in ("bn", "syncbn"))


@pytest.mark.parametrize("strides", [[4], [], [4, 4], [4, 16], [8, 4], [2, 4, 12]])
def test_strides_that_fit_no_pyramid_are_refused(strides):
    with pytest.raises(ValueError, match=r"at least two maps, each of twice the stride of the one before, got strides"):
        check_strides(strides, strides)


def test_a_backbone_of_one_map_is_refused(plan):
    backbone = build_backbone(plan.architecture, NetworkSpec(num_filters=4, num_repeats=1, num_stages=1), seed=0)
    with pytest.raises(ValueError, match=r"got strides 1 of the backbone's 1: change detector.min_stride, or network"):
        Pyramid(backbone, 6)
