"""Settings, backbones and folders of detectors and segmenters."""

import dataclasses
import json

import pytest
import torch
from experiments.config.config_file import SEGMENTATION

from experiments.config.dense_config import SegmentationConfig
from experiments.downstream.inputs import DenseOptions, find_weights, open_dense, resolve_dense
from experiments.runs.run_folder import RunFolder
from nas.data.digits import load_digits
from nas.export.folder import export_checkpoint
from nas.fidelity import DataSpec, NetworkSpec
from nas.models.build import build, description_from_json
from nas.models.checkpoint import save_checkpoint


@pytest.fixture
def options(small_cells, tmp_path):
    return DenseOptions(backbone=str(small_cells), data=tmp_path / "pictures")


@pytest.fixture
def checkpoint(small_cells, tmp_path):
    spec = NetworkSpec(num_filters=4, num_repeats=1, in_channels=1, image_size=8)
    with torch.random.fork_rng():
        network = build(description_from_json(json.loads(small_cells.read_text())), spec)
    save_checkpoint(tmp_path / "trained.safetensors", network, data=load_digits(DataSpec()), accuracy=0.5)
    return tmp_path / "trained.safetensors"


def resolve(source, options, folder):
    return resolve_dense(str(source), options, SEGMENTATION, RunFolder(folder))


def test_options_come_after_the_file_and_settings_after_options(segmentation_config, options, tmp_path):
    options = dataclasses.replace(options, seed=5, workers=2, settings=("recipe.iterations=9", "workers.num_workers=4"))
    document, architecture = resolve(segmentation_config, options, tmp_path / "out")
    assert document["segmentation"]["seed"] == 5
    assert document["recipe"]["iterations"] == 9
    assert document["workers"]["num_workers"] == 4
    assert document["data"]["root"] == str((tmp_path / "pictures").resolve())
    assert architecture.normal.blocks[0].left.op == "conv_3x3"


def test_a_trained_backbone_brings_its_weights_and_the_network_around_it(
    segmentation_config, checkpoint, options, tmp_path
):
    export_checkpoint(checkpoint, tmp_path / "best")
    for text, file in ((checkpoint, checkpoint), (tmp_path / "best", tmp_path / "best" / "weights.safetensors")):
        chosen = dataclasses.replace(options, backbone=str(text))
        document, architecture = resolve(segmentation_config, chosen, tmp_path / "out")
        assert document["segmentation"]["start"] == str(file)
        assert document["network"]["num_filters"] == 4
        anew, same = resolve(segmentation_config, dataclasses.replace(chosen, scratch=True), tmp_path / "out")
        assert anew["segmentation"].get("start") is None
        assert anew["network"]["num_filters"] == 4
        assert same == architecture


def test_what_holds_weights(checkpoint, small_cells, tmp_path):
    assert find_weights(str(checkpoint)) == checkpoint
    assert find_weights(str(small_cells)) is None
    assert find_weights(str(tmp_path)) is None
    assert find_weights("nasnet-a") is None


def test_a_segmenters_folder_gives_its_architecture_when_asked_for(segmentation_config, options, small_cells, tmp_path):
    (tmp_path / "architecture.json").write_text(small_cells.read_text())
    (tmp_path / "segmenter.safetensors").touch()
    chosen = dataclasses.replace(options, backbone=str(tmp_path))
    with pytest.raises(ValueError, match="holds a detector or segmenter, and a backbone starts from a classifier"):
        resolve(segmentation_config, chosen, tmp_path / "out")
    _, architecture = resolve(segmentation_config, dataclasses.replace(chosen, scratch=True), tmp_path / "out")
    assert architecture.normal.blocks[0].left.op == "conv_3x3"


def test_what_is_missing_is_said(segmentation_config, options, tmp_path):
    with pytest.raises(ValueError, match="the backbone must be named with --backbone"):
        resolve(segmentation_config, dataclasses.replace(options, backbone=None), tmp_path / "out")
    with pytest.raises(ValueError, match="the folder of the pictures must be named with --data"):
        resolve(segmentation_config, dataclasses.replace(options, data=None), tmp_path / "out")
    with pytest.raises(ValueError, match="unknown architecture"):
        resolve(segmentation_config, dataclasses.replace(options, backbone="nasnet-z"), tmp_path / "out")


def test_a_folder_knows_its_backbone_and_pictures_and_holds_one_training(segmentation_config, options, tmp_path):
    document, architecture = resolve(segmentation_config, options, tmp_path / "out")
    config = SegmentationConfig.parse(document)
    with open_dense(tmp_path / "out", config, architecture, parse_segmentation):
        pass
    again, known = resolve(segmentation_config, DenseOptions(), tmp_path / "out")
    assert SegmentationConfig.parse(again) == config
    assert known == architecture
    freed = dataclasses.replace(config, test=dataclasses.replace(config.test, severity=5))
    with open_dense(tmp_path / "out", freed, architecture, parse_segmentation):
        pass  # where it is measured may change
    moved = SegmentationConfig.parse({**again, "data": {**again["data"], "root": "elsewhere"}})
    for is_begun, root in ((False, "elsewhere"), (True, config.data.root)):
        with open_dense(tmp_path / "out", config, architecture, parse_segmentation):
            pass
        if is_begun:
            (tmp_path / "out" / "state.safetensors").touch()
        with open_dense(tmp_path / "out", moved, architecture, parse_segmentation):
            stored = RunFolder(tmp_path / "out").stored_document()
            assert stored["data"]["root"] == root  # other pictures may be refused later on
    other = SegmentationConfig.parse({**again, "head": {"kind": "deeplab"}})
    with (
        pytest.raises(ValueError, match=r"holds a training with other settings \(head.kind: .*; choose another --out"),
        open_dense(tmp_path / "out", other, architecture, parse_segmentation),
    ):
        pass
    cell = dataclasses.replace(architecture.normal, concat=(2, 1))
    with (
        pytest.raises(ValueError, match=r"the backbone .* in the folder, .* asked for"),
        open_dense(tmp_path / "out", config, dataclasses.replace(architecture, normal=cell), parse_segmentation),
    ):
        pass
    (tmp_path / "out" / "config.yaml").write_text("segmentation: {sed: 1}")
    with (
        pytest.raises(ValueError, match=r"config.yaml: unknown key"),
        open_dense(tmp_path / "out", config, architecture, parse_segmentation),
    ):
        pass
