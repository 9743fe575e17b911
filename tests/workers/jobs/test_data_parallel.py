"""Trainings by several workers under Ray Train; that two see and learn what one does is tested in nas/training."""

import json

import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.detection.checkpoint import load_detector
from nas.downstream.detection.settings import DetectionData, DetectorSettings
from nas.downstream.detection.training import DetectionPlan, train_member
from nas.downstream.recipe import DenseRecipe
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.training.run import TrainingPlan, read_records, read_result
from workers.cluster.resources import WorkerResources
from workers.jobs import data_parallel
from workers.jobs.data_parallel import ParallelWorkers, _reason, train_classifier, train_in_parallel

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
SPEC = NetworkSpec(image_size=8, in_channels=1, num_filters=2, num_repeats=1, num_stages=2)
RECIPE = TrainRecipe(epochs=2, batch_size=32, learning_rate=0.1, crop_padding=0, flip=False, device="cpu")
PLAN = TrainingPlan(Architecture(CELL, CELL), Fidelity(SPEC, RECIPE, DataSpec(num_train=100)), seed=1)


def train_both(plans, out):
    """Trains a classifier in the folder, and then a detector below it."""
    classifier, detector = plans
    train_classifier(classifier, out)
    train_member(detector, out / "detector")


def test_two_workers_train_and_are_watched(ray_cluster, coco_folder, tmp_path):
    network = NetworkSpec(num_filters=4, num_repeats=1, num_stages=3)
    detector = DetectorSettings(norm="syncbn", channels=8, features=16, min_stride=2, rpn_batch=32, roi_batch=16)
    recipe = DenseRecipe(
        iterations=4,
        batch_size=2,
        cuts=(),
        warmup_iterations=1,
        scales=(40,),
        max_side=72,
        record_iterations=2,
        checkpoint_iterations=2,
        device="cpu",
    )
    detection = DetectionPlan(PLAN.architecture, network, detector, recipe, DetectionData(root=str(coco_folder)))
    out, seen = tmp_path / "out", []
    (out / "detector").mkdir(parents=True)
    settings = ParallelWorkers(2, WorkerResources(cpus=0.5))
    result = train_in_parallel((PLAN, detection), out, settings, seen.append, train=train_both)
    assert result["num_workers"] == 2
    assert result["test"]["raw"]["num_images"] == 360
    assert [record["epoch"] for record in seen[-1]] == [1, 2]
    assert json.loads((out / "result.json").read_text()) == result
    detected = read_result(out / "detector")
    assert detected["num_workers"] == 2
    assert detected["evaluation"]["num_pictures"] == 2
    assert [record["iteration"] for record in read_records(out / "detector")] == [2, 4]
    assert load_detector(out / "detector" / "detector.safetensors")


def test_the_error_of_the_first_worker_is_told_in_one_line():
    failed = RuntimeError("Ray's own text")
    assert _reason(failed) == "Ray's own text"
    failed.worker_failures = {0: ValueError("holds the checkpoint\n  of another training"), 1: ValueError("lost")}
    assert _reason(failed) == "holds the checkpoint of another training"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ParallelWorkers(3), "at most 2 workers, as the CPUs of this machine allow, got 3"),
        (ParallelWorkers(2, WorkerResources(cpus=2)), "at most 1 workers, as the CPUs of this machine allow, got 2"),
        (ParallelWorkers(2, WorkerResources(gpus=1)), "at most 1 workers, as the GPUs of this machine allow, got 2"),
    ],
)
def test_more_workers_than_devices_are_refused_before_ray_is_started(monkeypatch, tmp_path, settings, message):
    monkeypatch.setattr(data_parallel.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=message):
        train_in_parallel(PLAN, tmp_path, settings, print)


def test_gpus_are_used_where_each_worker_gets_one():
    assert ParallelWorkers(2, WorkerResources(gpus=1)).use_gpu
    assert not ParallelWorkers(2).use_gpu
