"""Trainings of a study: what is measured of each, and what becomes of workers that are lost."""

import dataclasses
import json
import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.detection.settings import DetectionData, DetectorSettings
from nas.downstream.detection.training import DetectionPlan
from nas.downstream.recipe import DenseRecipe
from nas.fidelity import NetworkSpec
from nas.files.lock import FileLock
from workers.cluster.resources import WorkerResources
from workers.jobs import detector_jobs as studies
from workers.jobs.detector_jobs import DetectorJob, JobFailure, read_scores, run_jobs, train_and_measure

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


def job(name, folder):
    return DetectorJob(name, SimpleNamespace(), Path(folder), num_known=1)


def behave(job):
    """Does what the job's name says; leaves a mark for each attempt."""
    (job.folder / f"{job.name}-{os.getpid()}").touch()
    attempts = len(list(job.folder.glob(f"{job.name}-*")))
    if job.name == "lost" or (job.name == "lost_once" and attempts == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if job.name == "wrong":
        raise ValueError("two\nlines")
    return {"attempts": attempts}


def test_lost_workers_are_replaced_up_to_a_bound_and_errors_are_values(ray_cluster, tmp_path, caplog):
    jobs = [job(name, tmp_path) for name in ("fine", "wrong", "lost_once", "lost")]
    resources = WorkerResources(cpus=1, max_retries=1, max_workers=2)
    with caplog.at_level(logging.WARNING):
        ended = {each.name: result for each, result in run_jobs(jobs, resources, work=behave)}
    assert ended.keys() == {"fine", "wrong", "lost_once", "lost"}
    assert ended["fine"] == {"attempts": 1}
    assert ended["lost_once"] == {"attempts": 2}
    assert ended["wrong"].error.startswith("ValueError: two lines")
    assert isinstance(ended["lost"], JobFailure)
    assert ended["lost"].error.startswith("2 workers were lost, the last: ")
    assert "retrying lost_once, its worker was lost" in caplog.text
    assert len(list(tmp_path.glob("lost-*"))) == 2


def test_a_detector_is_trained_on_the_cluster(ray_cluster, make_job):
    jobs = [make_job(), dataclasses.replace(make_job("none"), num_known=2)]
    bad = dataclasses.replace(jobs[1], plan=dataclasses.replace(jobs[1].plan, start="nowhere.safetensors"))
    ended = {each.name: result for each, result in run_jobs([jobs[0], bad], WorkerResources(cpus=1))}
    assert ended["job"] == read_scores(jobs[0].folder)
    assert "nowhere.safetensors" in ended["none"].error
    assert "\n" not in ended["none"].error


def test_a_cluster_without_room_is_told_and_leaving_off_stops_what_runs(ray_cluster, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(studies, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(studies, "_POLL_SECONDS", 0.01)
    seen = []

    def notice(tasks, timeout):
        seen.append(tasks)
        if len(seen) == 3:
            raise SystemError from KeyboardInterrupt()
        return [], tasks

    cancelled, cancel = [], studies.ray.cancel

    def note(task, *, force):
        cancelled.append(force)
        cancel(task, force=force)

    monkeypatch.setattr(studies.ray, "wait", notice)
    monkeypatch.setattr(studies.ray, "cancel", note)
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        list(run_jobs([job("fine", tmp_path)], WorkerResources(cpus=1, custom={"tpu": 1.0}), work=behave))
    assert caplog.text.count("no node with room for a training") == 1
    assert cancelled == [True]


def test_a_cluster_is_needed(monkeypatch):
    monkeypatch.setattr(studies.ray, "is_initialized", lambda: False)
    with pytest.raises(RuntimeError, match="needs a Ray cluster"):
        next(run_jobs([], WorkerResources()))
