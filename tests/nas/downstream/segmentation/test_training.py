"""Trainings of segmenters: they learn, go on after a kill to the same weights, and start where they are told."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.downstream.recipe import DenseRecipe
from nas.downstream.run import SILENT, DenseWatch
from nas.downstream.segmentation.checkpoint import load_segmenter
from nas.downstream.segmentation.data import read_folder
from nas.downstream.segmentation.settings import HeadSpec, SegmentationData
from nas.downstream.segmentation.training import SegmentationPlan, build_task, run_segmentation
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.checkpoint import save_checkpoint

CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "identity")),))
RECIPE = DenseRecipe(
    iterations=40,
    batch_size=4,
    learning_rate=0.05,
    reference_batch=0,
    schedule="polynomial",
    warmup_iterations=2,
    scales=(16, 24, 20),
    max_side=60,
    record_iterations=10,
    checkpoint_iterations=20,
    device="cpu",
)
PLAN = SegmentationPlan(
    Architecture(CELL, CELL),
    NetworkSpec(num_filters=8, num_repeats=1, num_stages=2),
    HeadSpec(),
    SegmentationData(crop=16),
    RECIPE,
)


class KilledError(BaseException):
    """What stands for kill -9."""


@pytest.fixture
def folder(segmentation_folder):
    return read_folder(segmentation_folder, PLAN.data)


def run(plan, folder, out, watch=SILENT):
    out.mkdir(exist_ok=True)
    return run_segmentation(plan, folder, out, watch)


def test_a_small_network_learns_the_colours_and_goes_on_after_a_kill(folder, tmp_path):
    result = run(PLAN, folder, tmp_path / "alone")
    found = result["evaluation"]
    assert found["mean_iou"] > 0.6 > 3 * found["constant"]["mean_iou"] / 2  # seeds 0..4 give more than 0.75
    assert (result["output_stride"], result["num_train"], result["class_names"]) == (2, 4, ["1", "3", "7"])
    assert json.loads((tmp_path / "alone" / "result.json").read_text()) == result

    def kill(records):
        if len(records) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        run(PLAN, folder, tmp_path / "killed", DenseWatch(after_record=kill))
    changed = dataclasses.replace(PLAN, recipe=dataclasses.replace(RECIPE, evaluation_iterations=20))
    assert run(changed, folder, tmp_path / "killed")["evaluation"] == found
    ours, theirs = (load_file(tmp_path / name / "segmenter.safetensors") for name in ("alone", "killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert load_segmenter(tmp_path / "alone" / "segmenter.safetensors")[1].classes == folder.classes


def fingerprints(plan, folder):
    return build_task(plan, folder).fingerprints


def test_a_segmenter_resumes_on_another_device_and_number_of_threads(folder, tmp_path):
    plan = dataclasses.replace(PLAN, recipe=dataclasses.replace(RECIPE, precision="float32"))

    def kill(records):
        if len(records) == 2:
            raise KilledError

    run(plan, folder, tmp_path / "alone")
    with pytest.raises(KilledError):
        run(plan, folder, tmp_path / "killed", DenseWatch(after_record=kill))
    other = dataclasses.replace(plan.recipe, device="auto", num_threads=2)
    assert run(dataclasses.replace(plan, recipe=other), folder, tmp_path / "killed")["num_iterations"] == 40
    lines = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("alone", "killed")]
    losses = [[json.loads(line)["loss"] for line in each] for each in lines]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_the_fingerprint_is_that_of_earlier_versions(folder):
    assert fingerprints(PLAN, folder) == ("f6497d935b9e7d84f9d44ef107c17f6d",)


def test_other_trainings_have_other_fingerprints(folder):
    seen = {fingerprints(PLAN, folder)}
    for changes in (
        {"head": HeadSpec("deeplab")},
        {"network": NetworkSpec(num_filters=4)},
        {"recipe": dataclasses.replace(RECIPE, flip=False)},
        {"data": SegmentationData(crop=24)},
    ):
        seen.add(fingerprints(dataclasses.replace(PLAN, **changes), folder))
    assert len(seen) == 5
    moved = dataclasses.replace(PLAN, data=dataclasses.replace(PLAN.data, root="/elsewhere"))
    assert fingerprints(moved, folder) in seen
    fewer = dataclasses.replace(folder, train=folder.validation)
    assert fingerprints(PLAN, fewer) not in seen


def test_it_starts_from_trained_weights(folder, tmp_path):
    network = build(PLAN.architecture, PLAN.network)
    images = torch.zeros(10, 3, 8, 8, dtype=torch.uint8).numpy()
    split = Split(images, torch.arange(10).numpy())
    data = DataSet(split, split, lambda: split, tuple("abcdefghij"), (0.2, 0.3, 0.4), (1.0, 1.0, 1.0))
    save_checkpoint(tmp_path / "start.safetensors", network, data=data, accuracy=0.5)
    plan = dataclasses.replace(PLAN, start=str(tmp_path / "start.safetensors"))
    frozen = dataclasses.replace(PLAN, head=HeadSpec(norm="frozen_bn"))
    with pytest.raises(ValueError, match="norm frozen_bn needs the statistics of a trained backbone"):
        build_task(frozen, folder)
    assert build_task(dataclasses.replace(frozen, start=plan.start), folder).network.spec.norm == "frozen_bn"
    started = build_task(plan, folder).network
    assert torch.equal(started.backbone.network.stem[0].weight, network.stem[0].weight)
    assert started.mean.flatten().tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert fingerprints(plan, folder) != fingerprints(PLAN, folder)
    recipe = dataclasses.replace(RECIPE, mean=(0.2, 0.3, 0.4), std=(1.0, 1.0, 1.0))
    alike = build_task(dataclasses.replace(PLAN, recipe=recipe), folder).network
    assert torch.equal(alike.mean, started.mean)
    assert torch.equal(alike.std, started.std)
    assert fingerprints(dataclasses.replace(PLAN, recipe=recipe), folder) != fingerprints(PLAN, folder)
