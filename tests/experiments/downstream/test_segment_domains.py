"""Where a segmenter is measured, and that nothing is measured twice."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from experiments.config.dense_config import SegmentationConfig, SegmentationTest
from experiments.config.documents import load_document
from experiments.config.kinds import SEGMENTATION
from experiments.downstream.segment_domains import find_domains, measure_domains
from nas.downstream.segmentation.data import read_folder
from nas.models.reference.names import ReferenceNetwork
from nas.shifts.table import SHIFTS


class Constant(nn.Module):
    """Says class 1 everywhere, the most frequent one."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1))

    def forward(self, pictures):
        return self.weight + torch.zeros(len(pictures), 3, *pictures.shape[2:])


@pytest.fixture
def setting(segmentation_config, segmentation_folder):
    plan = SegmentationConfig.parse(load_document(str(segmentation_config), SEGMENTATION)).plan(
        ReferenceNetwork("resnet18")
    )
    return plan, read_folder(segmentation_folder, plan.data)


def names(setting, test):
    return [domain.name for domain in find_domains(*setting, test)]


def test_all_that_is_asked_for(setting, segmentation_folder):
    assert names(setting, SegmentationTest()) == ["validation", "training", *SHIFTS]
    assert names(setting, SegmentationTest(shifts=("fog",), training=False)) == ["validation", "fog"]
    other = SegmentationTest(root=str(segmentation_folder), shifts=())
    assert names(setting, other) == ["validation", "training", "val of data"]
    Image.fromarray(np.full((20, 30), 9, dtype=np.uint8)).save(segmentation_folder / "semantic" / "val" / "0.png")
    with pytest.raises(ValueError, match="got 9"):
        find_domains(*setting, other)


def test_what_was_measured_is_kept(setting, tmp_path):
    said, loads = [], []

    def measure(**changes):
        test = SegmentationTest(**{"shifts": ("add_red", "noise"), "training": False, **changes})
        domains = find_domains(*setting, test)
        counts = setting[1].classes.count(setting[1].train.counts)
        return measure_domains(tmp_path, lambda: loads.append(1) or Constant(), domains, counts, progress=said.append)

    first = measure()
    assert said == ["validation", "add_red", "noise"]
    assert len(loads) == 1
    assert first["validation"]["mean_iou"] == pytest.approx(first["validation"]["constant"]["mean_iou"])
    assert first["noise"]["look"] == {"shift": "noise", "severity": 3, "seed": 0}
    assert json.loads((tmp_path / "domains.json").read_text()) == first
    assert measure() == first
    assert (len(said), len(loads)) == (3, 1)
    measure(severity=5, shifts=("add_red",))
    assert said[3:] == ["add_red"]
    fewer = dataclasses.replace(setting[1], validation=setting[1].train)
    domains = find_domains(setting[0], fewer, SegmentationTest(shifts=(), training=False))
    measure_domains(tmp_path, Constant, domains, fewer.classes.count(fewer.train.counts), progress=said.append)
    assert said[4:] == ["validation"]
    (tmp_path / "domains.json").write_text("{")
    with pytest.raises(ValueError, match=r"domains.json is not valid JSON: .*; delete it"):
        measure()
