import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from nas.downstream.detection.checkpoint import FORMAT, DetectorDescription, load_detector, save_detector
from nas.downstream.detection.settings import ImageForm
from nas.models.reference.names import ReferenceNetwork


@pytest.fixture
def description(plan):
    form = ImageForm(((3, "a"), (90, "b")), scales=(32, 40), max_side=64, mean=(0.1, 0.2, 0.3), std=(1, 2, 3))
    return DetectorDescription(plan.architecture, plan.network, plan.detector, form)


@pytest.fixture
def saved(description, tmp_path):
    network = description.build(seed=1)
    save_detector(tmp_path / "detector.safetensors", network, description)
    return tmp_path / "detector.safetensors", network


def test_a_detector_comes_back_as_it_was(saved, description):
    path, network = saved
    again, told = load_detector(path)
    assert told == description
    assert not again.training
    assert (again.transform.image_mean, again.transform.image_std) == ([0.1, 0.2, 0.3], [1, 2, 3])
    images = [torch.rand(3, 40, 50)]
    with torch.no_grad():
        ours, theirs = again(images)[0], network.eval()(images)[0]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_reference_networks_go_to_json_and_back(description):
    from dataclasses import replace

    reference = replace(description, architecture=ReferenceNetwork("resnet50"))
    assert DetectorDescription.from_json(json.loads(json.dumps(reference.to_json()))) == reference


def test_what_is_no_detector_is_refused(saved, description, tmp_path):
    path, _ = saved
    with pytest.raises(ValueError, match="there is no checkpoint"):
        load_detector(tmp_path / "nothing")
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="not a safetensors file that can be read"):
        load_detector(other)
    tensors, text = load_file(path), json.dumps(description.to_json())
    for metadata, message in [
        (None, "must be a nas-engine detector 1, got 'no format'"),
        (
            {"format": FORMAT},
            "does not hold a network that can be rebuilt: its description is not valid: architecture: Field",
        ),
        ({"format": FORMAT, "description": "{}"}, "its description is not valid: architecture: Field required"),
        ({"format": FORMAT, "description": "[]"}, "its description is not valid: Input should be a dict"),
        (
            {"format": FORMAT, "description": text.replace('"num_repeats": 1', '"num_repeats": 1000')},
            "cells must have",
        ),
        ({"format": FORMAT, "description": text.replace('"channels": 8', '"channels": 16')}, "weights do not match"),
    ]:
        save_file(tensors, other, metadata)
        with pytest.raises(ValueError, match=message):
            load_detector(other)
