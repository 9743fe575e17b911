"""A segmenter's file: it comes back as it was, and a file that is none is refused in one line."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.backbone import build_backbone
from nas.downstream.segmentation.checkpoint import SegmenterDescription, load_segmenter, save_segmenter
from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.settings import HeadSpec
from nas.fidelity import NetworkSpec
from nas.models.reference.names import ReferenceNetwork

CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "identity"), norm="ibn_a"),))
CLASSES = Classes((1, 7), ("sky", "7"), 0, is_part=True)


@pytest.fixture(params=["cells", "resnet18"])
def description(request):
    architecture = Architecture(CELL, CELL) if request.param == "cells" else ReferenceNetwork("resnet18")
    head = HeadSpec("deeplab", auxiliary=True, norm="gn" if request.param == "cells" else "frozen_bn")
    return SegmenterDescription(architecture, NetworkSpec(num_filters=8, num_repeats=1), head, CLASSES, (96, 200))


@pytest.fixture
def network(description):
    backbone = build_backbone(description.architecture, description.network, seed=0)
    backbone.mean, backbone.std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    return description.build(seed=0, backbone=backbone)


def change(path, **metadata):
    with safe_open(path, framework="pt") as file:
        before, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {**before, **metadata})


def test_it_comes_back_as_it_was(network, description, tmp_path):
    save_segmenter(tmp_path / "s.safetensors", network, description)
    loaded, told = load_segmenter(tmp_path / "s.safetensors")
    images = torch.rand(1, 3, 20, 17)
    with torch.no_grad():
        assert torch.equal(loaded(images), network.eval()(images))
    assert not loaded.training
    assert told == description
    assert loaded.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert [name for name, _ in loaded.named_parameters()] == [name for name, _ in network.named_parameters()]


def test_files_that_are_none(network, description, tmp_path):
    path = tmp_path / "s.safetensors"
    with pytest.raises(ValueError, match="there is no checkpoint"):
        load_segmenter(path)
    for metadata, message in (
        ({"format": "other"}, "must be a nas-engine segmenter 1, got 'other'"),
        ({"head": json.dumps({"kind": "unet"})}, "its description is not valid"),
        ({"head": json.dumps({"kind": "fcn"})}, "its weights do not match its description"),
        ({"classes": "{"}, "does not hold a network that can be rebuilt"),
        ({"network": json.dumps({"num_repeats": 1000})}, "cells must have more than"),
    ):
        save_segmenter(path, network, description)
        change(path, **metadata)
        with pytest.raises(ValueError, match=message) as caught:
            load_segmenter(path)
        assert "\n" not in str(caught.value)
    save_file({}, path, {"format": "nas-engine segmenter 1"})
    with pytest.raises(ValueError, match="its description is not valid: architecture: Field required"):
        load_segmenter(path)
