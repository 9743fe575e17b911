"""Norms of detectors and segmenters: every norm of the table that stands alone works in both."""

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.backbone import build_backbone
from nas.downstream.detection.networks import build_detector
from nas.downstream.detection.settings import DetectorSettings, ImageForm
from nas.downstream.norms import HeadNormName, NormName, norm_layer
from nas.downstream.segmentation.networks import build_segmenter
from nas.downstream.segmentation.settings import HeadSpec
from nas.fidelity import NetworkSpec
from nas.models.normalization import NORMALIZATIONS, GroupNorm

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
NORMS = [name for name, norm in NORMALIZATIONS.items() if not norm.appearance]


@pytest.fixture
def backbone():
    spec = NetworkSpec(num_filters=8, num_repeats=1, num_stages=3)
    return build_backbone(Architecture(CELL, CELL), spec, seed=0)


@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_of_the_table_trains_in_a_detector(backbone, norm):
    settings = DetectorSettings(norm=norm, head_norm=norm, channels=8, features=16, min_stride=2)
    network = build_detector(backbone, settings, ImageForm(((1, "a"),), scales=(40,), max_side=64)).train()
    losses = network(
        [torch.rand(3, 40, 60)], [{"boxes": torch.tensor([[5.0, 5, 30, 30]]), "labels": torch.tensor([1])}]
    )
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_of_the_table_trains_in_a_segmenter(backbone, norm):
    network = build_segmenter(backbone, 2, HeadSpec(norm=norm, auxiliary=True), seed=0).train()
    losses = network(torch.rand(2, 3, 16, 16), torch.zeros(2, 16, 16, dtype=torch.int64))
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_names_are_checked():
    assert TypeAdapter(NormName).validate_python("frozen_bn") == "frozen_bn"
    assert TypeAdapter(HeadNormName).validate_python("auto") == "auto"
    for kind, name in ((NormName, "auto"), (HeadNormName, "frozen_bn"), (NormName, "ibn_a")):
        with pytest.raises(ValidationError, match=r"must be among .*bn, gn, syncbn, none, got"):
            TypeAdapter(kind).validate_python(name)


def test_layers_are_built_from_a_number_of_channels():
    assert norm_layer("none") is None
    assert type(norm_layer("gn")(8)) is GroupNorm
    assert isinstance(norm_layer("syncbn")(8), nn.BatchNorm2d)
