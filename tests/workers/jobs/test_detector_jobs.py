"""Trainings of a study: what is measured of each."""

import dataclasses
import json

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.detection.settings import DetectionData, DetectorSettings
from nas.downstream.detection.training import DetectionPlan
from nas.downstream.recipe import DenseRecipe
from nas.fidelity import NetworkSpec
from nas.files.lock import FileLock
from workers.cluster.resources import WorkerResources
from workers.jobs import detector_jobs as studies
from workers.jobs.detector_jobs import DetectorJob, read_scores, run_jobs, train_and_measure

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
DETECTOR = DetectorSettings(
    norm="gn", channels=8, features=16, min_stride=2, rpn_batch=32, roi_batch=16, train_proposals=40, test_proposals=20
)
RECIPE = DenseRecipe(
    iterations=4,
    batch_size=2,
    cuts=(),
    warmup_iterations=1,
    scales=(40,),
    max_side=72,
    record_iterations=2,
    checkpoint_iterations=2,
    evaluation_iterations=2,
    device="cpu",
)


@pytest.fixture
def make_job(coco_folder, tmp_path):
    def make(name="job", **data):
        network = NetworkSpec(num_filters=4, num_repeats=1, num_stages=3)
        images = DetectionData(root=str(coco_folder), **data)
        plan = DetectionPlan(Architecture(CELL, CELL), network, DETECTOR, RECIPE, images)
        return DetectorJob(name, plan, tmp_path / "study" / name, num_known=3)

    return make


@pytest.mark.parametrize(("evaluate", "numbers"), [("val", (2, 3)), ("train", (2, 4))])
def test_a_detector_is_measured_on_both_splits_and_done_once(make_job, evaluate, numbers, monkeypatch):
    job = make_job(evaluate=evaluate)
    scores = train_and_measure(job)
    assert (scores["scores"]["val"]["num_pictures"], scores["scores"]["train"]["num_pictures"]) == numbers
    assert [point["iteration"] for point in scores["curve"]] == [2, 4]
    assert scores["scores"][evaluate]["box"] == scores["curve"][-1]["box"]
    last = json.loads((job.folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert scores["loss"] == last["loss"]
    assert (scores["num_iterations"], scores["num_train"]) == (4, 4)
    assert read_scores(job.folder) == scores
    monkeypatch.setattr(studies, "run_detection", None)
    assert train_and_measure(job) == scores


def test_what_was_trained_but_not_measured_is_only_measured(make_job, monkeypatch):
    job = make_job()
    scores = train_and_measure(job)
    (job.folder / "scores.json").unlink()
    monkeypatch.setattr(studies, "run_detection", None)
    assert train_and_measure(job) == scores


def test_damaged_scores_are_named(tmp_path):
    assert read_scores(tmp_path) is None
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(ValueError, match=r"scores\.json is not valid JSON: .*; remove it"):
        read_scores(tmp_path)
    (tmp_path / "scores.json").write_text("[]")
    with pytest.raises(ValueError, match="must hold the scores of a detector"):
        read_scores(tmp_path)


def test_a_folder_that_another_process_holds_is_waited_for(make_job, monkeypatch):
    job = make_job()
    job.folder.mkdir(parents=True)
    waits = []
    lock = FileLock(job.folder / ".lock")
    lock.__enter__()

    def release(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            lock.__exit__(None, None, None)

    monkeypatch.setattr(studies.time, "sleep", release)
    assert train_and_measure(job)["num_iterations"] == 4
    assert len(waits) == 2


def test_a_folder_that_stays_in_use_is_given_up(make_job, monkeypatch):
    job = make_job()
    job.folder.mkdir(parents=True)
    monkeypatch.setattr(studies, "STALE_SECONDS", 0.0)
    with FileLock(job.folder / ".lock"), pytest.raises(RuntimeError, match="is in use by process"):
        train_and_measure(job)


def test_a_detector_is_trained_on_the_cluster(ray_cluster, make_job):
    jobs = [make_job(), dataclasses.replace(make_job("none"), num_known=2)]
    bad = dataclasses.replace(jobs[1], plan=dataclasses.replace(jobs[1].plan, start="nowhere.safetensors"))
    one_by_one = WorkerResources(cpus=1, max_workers=1)
    ended = {each.name: result for each, result in run_jobs([jobs[0], bad], one_by_one)}
    assert ended["job"] == read_scores(jobs[0].folder)
    assert "nowhere.safetensors" in ended["none"].error
    assert "\n" not in ended["none"].error
