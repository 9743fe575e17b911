"""Norms beside one another: the backbones, the table, and going on where it was."""

import dataclasses
import io
import json

import pytest
import torch
from rich.console import Console
from torch import nn

from experiments.config.dense_config import SegmentationConfig
from experiments.config.resolve import ConfigRequest
from experiments.downstream import segment
from experiments.downstream.inputs import BackboneRequest
from experiments.downstream.segment import SegmentResult
from experiments.downstream.segment_norms import markdown_norms, norms_table, run_norms, summarize, with_norm
from nas.downstream.backbone import Backbone
from nas.downstream.segmentation.networks import Segmenter
from nas.edge_cell import EdgeCell
from nas.models.build import build
from nas.models.reference.names import ReferenceNetwork
from search_spaces.published import PUBLISHED

EDGES = EdgeCell(("nor_conv_3x3", "nor_conv_3x3", "skip_connect"))
CONFIG = SegmentationConfig.parse({"segmentation": {}, "network": {"num_stages": 3}})


def test_every_block_of_cells_gets_the_norm():
    changed, config = with_norm(PUBLISHED["nasnet-a"], CONFIG, "ibn_a")
    assert {block.norm for cell in (changed.normal, changed.reduction) for block in cell.blocks} == {"ibn_a"}
    assert changed.appearance_stages == 2  # all but the last, as in IBN-Net
    assert config == CONFIG
    fixed = dataclasses.replace(PUBLISHED["nasnet-a"], appearance_stages=1)
    assert with_norm(fixed, CONFIG, "ibn_b")[0].appearance_stages == 1
    assert with_norm(changed, CONFIG, "bn")[0].normal == PUBLISHED["nasnet-a"].normal
    with pytest.raises(ValueError, match="unknown norm 'ibn_c'; did you mean ibn"):
        with_norm(fixed, CONFIG, "ibn_c")


def test_residual_networks_have_variants():
    for before in ("resnet50", "resnet50-ibn-b"):
        assert with_norm(ReferenceNetwork(before), CONFIG, "ibn_a") == (ReferenceNetwork("resnet50-ibn-a"), CONFIG)
    assert with_norm(ReferenceNetwork("resnet18-d-ibn-a"), CONFIG, "bn")[0] == ReferenceNetwork("resnet18-d")
    with pytest.raises(ValueError, match="unknown norm of a reference network 'in'"):
        with_norm(ReferenceNetwork("resnet50"), CONFIG, "in")


@pytest.mark.parametrize(
    ("architecture", "plain"),
    [
        (ReferenceNetwork("resnet18-ibn-a"), ReferenceNetwork("resnet18")),
        (ReferenceNetwork("torchvision:resnet18"), ReferenceNetwork("torchvision:resnet18")),
        (EDGES, EDGES),
        (PUBLISHED["nasnet-a"], dataclasses.replace(PUBLISHED["nasnet-a"], appearance_stages=2)),
    ],
    ids=["residual", "library", "edges", "cells"],
)
def test_group_norm_is_everywhere(architecture, plain):
    found, config = with_norm(architecture, CONFIG, "gn")
    assert found == plain
    with torch.device("meta"):
        network = build(found, config.network)
        segmenter = Segmenter(Backbone(network), 3, config.head)
    assert not [each for each in segmenter.modules() if isinstance(each, nn.BatchNorm2d)]
    assert sum(isinstance(each, nn.GroupNorm) for each in segmenter.modules()) > 10
    back, config = with_norm(found, config, "bn")
    assert (back, config.network) == (plain, CONFIG.network)


def scores(mean_iou, look=None):
    constant = {"mean_iou": 0.05, "pixel_accuracy": 0.2}
    return {"mean_iou": mean_iou, "pixel_accuracy": 2 * mean_iou, "constant": constant, "look": look}


def found(home, red, fog):
    looks = [{"shift": name, "severity": 3, "seed": 0} for name in ("add_red", "fog")]
    domains = {"validation": scores(home), "add_red": scores(red, looks[0]), "fog": scores(fog, looks[1])}
    return SegmentResult({"num_parameters": 7}, domains)


def test_the_table_by_hand():
    results = {
        "bn": [found(0.3, 0.2, 0.1), found(0.4, 0.2, 0.2)],
        "ibn_b": [found(0.3, 0.3, 0.2), found(0.3, 0.3, 0.3)],
    }
    value = summarize(results)
    bn, ibn = value.norms
    assert bn.mean_iou["validation"].value == pytest.approx(0.35)
    assert bn.mean_iou["validation"].values == (0.3, 0.4)
    assert bn.mean_iou["mean of the shifts"].values == pytest.approx([0.15, 0.2])
    assert bn.mean_iou["mean drop under the shifts"].value == pytest.approx((0.15 + 0.2) / 2)
    assert ibn.less_first["fog"].values == pytest.approx([0.1, 0.1])
    assert bn.mean_iou["validation"].low < 0.35 < bn.mean_iou["validation"].high
    text = markdown_norms(value)
    assert "| images | bn | ibn_b | most frequent class |\n|---|---:|---:|---:|\n" in text
    assert "| fog, severity 3 | +10.0 (+10.0 to +10.0) |" in text
    assert "mean of 2 seeds with 95% intervals" in text
    nearly = {"bn": [found(0.3, 0.2, 0.1)], "ibn_b": [found(0.2999, 0.2, 0.1)]}
    assert "| validation | +0.0 |" in markdown_norms(summarize(nearly))
    assert norms_table(value).row_count == 5
    plain = value.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_one_seed_has_no_interval_and_no_shifts_no_drop():
    only = SegmentResult({"num_parameters": 7}, {"validation": scores(0.3)})
    value = summarize({"bn": [only]})
    only_value = {"value": 0.3, "low": None, "high": None, "values": [0.3]}
    assert value.to_json()["norms"][0]["mean_iou"] == {"validation": only_value}
    assert "Mean IoU in %, one seed:" in markdown_norms(value)
    assert "minus that of" not in markdown_norms(value)


def test_trainings_stand_in_folders_of_their_own_and_are_not_repeated(
    segmentation_config, segmentation_folder, small_cells, tmp_path, monkeypatch
):
    def run(norms, num_seeds, *settings):
        console = Console(file=io.StringIO(), width=120)
        changes = {("data", "root"): segmentation_folder}
        request = ConfigRequest(str(segmentation_config), changes, ("test.training=false", *settings))
        backbone = BackboneRequest(str(small_cells))
        return run_norms(request, backbone, tmp_path / "out", console, norms=norms, num_seeds=num_seeds)

    value = run(["bn", "ibn_a"], 1)
    assert (tmp_path / "out" / "ibn_a" / "seed-0" / "segmenter.safetensors").is_file()
    assert {path.name for path in (tmp_path / "out").glob("norms.*")} == {"norms.json", "norms.md", "norms.png"}
    stored = json.loads((tmp_path / "out" / "norms.json").read_text())
    assert stored["images"]["left_out"] == []
    assert stored == {
        "config": str(segmentation_config),
        "images": stored["images"],
        **value.to_json(),
    }
    stored = json.loads((tmp_path / "out" / "ibn_a" / "seed-0" / "architecture.json").read_text())
    assert stored["normal"]["blocks"][0]["norm"] == "ibn_a"
    monkeypatch.setattr(segment, "run_segmentation", None)  # it would be called to train
    assert run(["bn", "ibn_a"], 1).to_json() == value.to_json()
    with pytest.raises(ValueError, match="norms must be one or more, all distinct, got bn, bn"):
        run(["bn", "bn"], 1)
    with pytest.raises(ValueError, match="weights match one norm only"):
        run(["bn"], 1, "segmentation.start=here.safetensors")
    with pytest.raises(ValueError, match=r"with --norms the setting network\.norm must not be given"):
        run(["bn"], 1, "network.norm=gn")
    with pytest.raises(ValueError, match=r"with --norms head\.norm must be null, bn or syncbn.*, got gn"):
        run(["bn"], 1, "head.norm=gn")
    with pytest.raises(ValueError, match="frozen_bn is not possible: it needs the statistics"):
        run(["frozen_bn"], 1)
