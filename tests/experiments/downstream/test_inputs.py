"""Configurations and backbones of detectors and segmenters."""

import dataclasses
import json
from types import SimpleNamespace

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


@pytest.fixture
def colour_checkpoint(small_cells, tmp_path):
    spec = NetworkSpec(num_filters=4, num_repeats=1, image_size=8, norm="gn")
    with torch.random.fork_rng():
        network = build(description_from_json(json.loads(small_cells.read_text())), spec)
    data = SimpleNamespace(class_names=tuple("abcdefghij"), mean=(0.2, 0.3, 0.4), std=(0.5, 0.6, 0.7))
    save_checkpoint(tmp_path / "colour.safetensors", network, data=data, accuracy=0.5)
    return tmp_path / "colour.safetensors"


def test_from_scratch_images_are_normalized_as_the_classifiers_were(resolve, colour_checkpoint, tmp_path):
    def resolved(*settings, scratch):
        document, architecture = resolve(*settings, backbone=colour_checkpoint, scratch=scratch)
        return SegmentationConfig.parse(document), architecture

    (anew, architecture), (trained, _) = resolved(scratch=True), resolved(scratch=False)
    assert (anew.recipe.mean, anew.recipe.std) == ((0.2, 0.3, 0.4), (0.5, 0.6, 0.7))
    assert trained.recipe.mean is None  # that of the weights
    assert anew.network == trained.network
    given = ("recipe.mean=[0.5,0.5,0.5]", "recipe.std=[0.1,0.1,0.1]")
    assert resolved(*given, scratch=True)[0].recipe.mean == (0.5, 0.5, 0.5)
    with Binding(RunFolder(tmp_path / "out"), anew, architecture).hold():
        (tmp_path / "out" / "state.safetensors").write_text("weights")
    assert SegmentationConfig.parse(resolve(backbone=None)[0]).recipe == anew.recipe
    earlier = dataclasses.replace(anew, recipe=dataclasses.replace(anew.recipe, mean=None, std=None))
    RunFolder(tmp_path / "out").write_config(earlier.to_document())
    assert resolved(scratch=True)[0] == earlier  # a run of an earlier version resumes as it was


def test_settings_of_the_network_that_contradict_the_weights_are_refused(resolve, colour_checkpoint):
    with pytest.raises(ValueError, match=r"network\.norm must be that of the trained backbone, gn, got bn; --scratch"):
        resolve("network.norm=bn", backbone=colour_checkpoint)
    document, _ = resolve("network.norm=gn", "network.dropout=0.5", backbone=colour_checkpoint)
    assert document["network"]["norm"] == "gn"
    document, _ = resolve("network.norm=bn", backbone=colour_checkpoint, scratch=True)
    assert (document["network"]["norm"], document["network"]["num_filters"]) == ("bn", 4)


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
