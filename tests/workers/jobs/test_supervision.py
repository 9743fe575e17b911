"""What becomes of workers that are lost; nothing here needs torch, which every new worker would import."""

import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from workers.cluster.resources import WorkerResources
from workers.jobs import supervision
from workers.jobs.supervision import JobFailure, supervise


@dataclass(frozen=True)
class NamedJob:
    name: str
    folder: Path


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
    jobs = [NamedJob(name, tmp_path) for name in ("fine", "wrong", "lost_once", "lost")]
    resources = WorkerResources(cpus=1, max_retries=1, max_workers=2)
    with caplog.at_level(logging.WARNING):
        ended = {each.name: result for each, result in supervise(jobs, resources, behave)}
    assert ended.keys() == {"fine", "wrong", "lost_once", "lost"}
    assert ended["fine"] == {"attempts": 1}
    assert ended["lost_once"] == {"attempts": 2}
    assert ended["wrong"].error.startswith("ValueError: two lines")
    assert isinstance(ended["lost"], JobFailure)
    assert ended["lost"].error.startswith("2 workers were lost, the last: ")
    assert "retrying lost_once, its worker was lost" in caplog.text
    assert len(list(tmp_path.glob("lost-*"))) == 2


def test_a_cluster_without_room_is_told_and_leaving_off_stops_what_runs(ray_cluster, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(supervision, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(supervision, "_POLL_SECONDS", 0.01)
    seen = []

    def notice(tasks, timeout):
        seen.append(tasks)
        if len(seen) == 3:
            raise SystemError from KeyboardInterrupt()
        return [], tasks

    cancelled, cancel = [], supervision.ray.cancel

    def note(task, *, force):
        cancelled.append(force)
        cancel(task, force=force)

    monkeypatch.setattr(supervision.ray, "wait", notice)
    monkeypatch.setattr(supervision.ray, "cancel", note)
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        list(supervise([NamedJob("fine", tmp_path)], WorkerResources(cpus=1, custom={"tpu": 1.0}), behave))
    assert caplog.text.count("no node with room for a training") == 1
    assert cancelled == [True]


def test_a_cluster_is_needed(monkeypatch):
    monkeypatch.setattr(supervision.ray, "is_initialized", lambda: False)
    with pytest.raises(RuntimeError, match="need a Ray cluster"):
        next(supervise([], WorkerResources(), behave))
