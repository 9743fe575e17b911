import pytest
import torch
from torch import nn

from nas.downstream.backbone import build_backbone
from nas.downstream.detection.pyramid import Pyramid, check_strides
from nas.downstream.norms import norm_layer
from nas.fidelity import NetworkSpec
from nas.models.normalization import GroupNorm


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
