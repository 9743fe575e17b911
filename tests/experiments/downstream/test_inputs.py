"""Configurations and backbones of detectors and segmenters."""

import json

import pytest
import torch

from experiments.config.dense_config import SegmentationConfig
from experiments.config.kinds import SEGMENTATION
from experiments.config.resolve import ConfigRequest
from experiments.downstream.inputs import BackboneRequest, find_weights, resolve_dense
from experiments.runs.run_folder import Binding, RunFolder
from nas.data.digits import load_digits
from nas.export.folder import export_checkpoint
from nas.fidelity import DataSpec, NetworkSpec
from nas.models.build import build
from nas.models.checkpoint import save_checkpoint
from nas.models.reference.descriptions import description_from_json


@pytest.fixture
def checkpoint(small_cells, tmp_path):
    spec = NetworkSpec(num_filters=4, num_repeats=1, in_channels=1, image_size=8)
    with torch.random.fork_rng():
        network = build(description_from_json(json.loads(small_cells.read_text())), spec)
    save_checkpoint(tmp_path / "trained.safetensors", network, data=load_digits(DataSpec()), accuracy=0.5)
    return tmp_path / "trained.safetensors"


@pytest.fixture
def resolve(segmentation_config, small_cells, tmp_path):
    """Resolves a request; the backbone and the folder of the images may be changed or, with None, left out."""

    def resolve(*settings, backbone=small_cells, scratch=False, data=tmp_path / "pictures", changes=None):
        request = ConfigRequest(str(segmentation_config), {("data", "root"): data, **(changes or {})}, settings)
        asked = BackboneRequest(None if backbone is None else str(backbone), scratch)
        return resolve_dense(SEGMENTATION, request, asked, RunFolder(tmp_path / "out"))

    return resolve


def test_options_come_after_the_file_and_settings_after_options(resolve, tmp_path):
    changes = {("segmentation", "seed"): 5, ("workers", "num_workers"): 2}
    document, architecture = resolve("recipe.iterations=9", "workers.num_workers=4", changes=changes)
    assert document["segmentation"]["seed"] == 5
    assert document["recipe"]["iterations"] == 9
    assert document["workers"]["num_workers"] == 4
    assert document["data"]["root"] == str((tmp_path / "pictures").resolve())
    assert architecture.normal.blocks[0].left.op == "conv_3x3"


def test_a_trained_backbone_brings_its_weights_and_the_network_around_it(resolve, checkpoint, tmp_path):
    export_checkpoint(checkpoint, tmp_path / "best")
    for name, file in ((checkpoint, checkpoint), (tmp_path / "best", tmp_path / "best" / "weights.safetensors")):
        document, architecture = resolve(backbone=name)
        assert document["segmentation"]["start"] == str(file)
        assert document["network"]["num_filters"] == 4
        anew, same = resolve(backbone=name, scratch=True)
        assert anew["segmentation"].get("start") is None
        assert anew["network"]["num_filters"] == 4
        assert same == architecture


def test_what_holds_weights(checkpoint, small_cells, tmp_path):
    assert find_weights(str(checkpoint)) == checkpoint
    assert find_weights(str(small_cells)) is None
    assert find_weights(str(tmp_path)) is None
    assert find_weights("nasnet-a") is None


def test_a_segmenters_folder_gives_its_architecture_when_asked_for(resolve, small_cells, tmp_path):
    (tmp_path / "architecture.json").write_text(small_cells.read_text())
    (tmp_path / "segmenter.safetensors").touch()
    with pytest.raises(ValueError, match="holds a detector or segmenter; a backbone is initialized from a classifier"):
        resolve(backbone=tmp_path)
    _, architecture = resolve(backbone=tmp_path, scratch=True)
    assert architecture.normal.blocks[0].left.op == "conv_3x3"


def test_what_is_missing_is_said(resolve):
    with pytest.raises(ValueError, match="the backbone must be given with --backbone"):
        resolve(backbone=None)
    with pytest.raises(ValueError, match="the folder of the images must be given with --data"):
        resolve(data=None)
    with pytest.raises(ValueError, match="unknown architecture"):
        resolve(backbone="nasnet-z")


@pytest.fixture
def bound(resolve, checkpoint, tmp_path):
    """The configuration and the architecture of a segmenter in training, whose backbone is a trained classifier."""
    document, architecture = resolve(backbone=checkpoint)
    document["network"]["in_channels"] = 3
    config = SegmentationConfig.parse(document)
    folder = RunFolder(tmp_path / "out")
    with Binding(folder, config, architecture).hold():
        (folder.path / "state.safetensors").write_text("weights")
    return config, architecture


def test_a_folder_knows_its_backbone_and_images(resolve, bound):
    document, architecture = resolve(backbone=None, data=None)
    assert (SegmentationConfig.parse(document), architecture) == bound


def test_a_folder_gives_no_backbone_if_one_is_named(resolve, bound, small_cells):
    document, architecture = resolve(backbone=small_cells, data=None)
    assert document["segmentation"].get("start") is None
    assert document["network"]["num_filters"] == 8
    assert architecture == bound[1]
