"""A segmenter's file: it comes back as it was, and a file that is none is refused in one line."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.backbone import build_backbone
from nas.downstream.segmentation.checkpoint import load_segmenter, save_segmenter
from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.networks import build_segmenter
from nas.downstream.segmentation.settings import HeadSpec
from nas.fidelity import NetworkSpec
from nas.models.resnet import ReferenceNetwork

CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "identity"), norm="ibn_a"),))
CLASSES = Classes((1, 7), ("sky", "7"), 0, is_part=True)


@pytest.fixture(params=["cells", "resnet18"])
def network(request):
    architecture = Architecture(CELL, CELL) if request.param == "cells" else ReferenceNetwork("resnet18")
    spec = HeadSpec("deeplab", auxiliary=True, norm="gn" if request.param == "cells" else "frozen_bn")
    network = NetworkSpec(num_filters=8, num_repeats=1)
    backbone = build_backbone(architecture, network, norm=spec.norm, seed=0)
    backbone.mean, backbone.std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    return build_segmenter(backbone, 2, spec, seed=0)


def change(path, **metadata):
    with safe_open(path, framework="pt") as file:
        before, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {**before, **metadata})


def test_it_comes_back_as_it_was(network, tmp_path):
    save_segmenter(tmp_path / "s.safetensors", network, CLASSES, (96, 200))
    loaded = load_segmenter(tmp_path / "s.safetensors")
    images = torch.rand(1, 3, 20, 17)
    with torch.no_grad():
        assert torch.equal(loaded.network(images), network.eval()(images))
    assert not loaded.network.training
    assert (loaded.classes, loaded.sides) == (CLASSES, (96, 200))
    assert loaded.network.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert [name for name, _ in loaded.network.named_parameters()] == [name for name, _ in network.named_parameters()]


def test_files_that_are_none(network, tmp_path):
    path = tmp_path / "s.safetensors"
    with pytest.raises(ValueError, match="there is no checkpoint"):
        load_segmenter(path)
    for metadata, message in (
        ({"format": "other"}, "must be a nas-engine segmenter 1, got 'other'"),
        ({"head": json.dumps({"kind": "unet"})}, "the description in .* is not valid"),
        ({"head": json.dumps({"kind": "fcn"})}, "does not hold a segmenter that can be rebuilt: .*"),
        ({"classes": "{"}, "does not hold a segmenter"),
        ({"network": json.dumps({"num_repeats": 1000})}, "cells have more than"),
    ):
        save_segmenter(path, network, CLASSES, (96, 200))
        change(path, **metadata)
        with pytest.raises(ValueError, match=message) as caught:
            load_segmenter(path)
        assert "\n" not in str(caught.value)
    save_file({}, path, {"format": "nas-engine segmenter 1"})
    with pytest.raises(ValueError, match="lacks 'classes' in its metadata"):
        load_segmenter(path)
