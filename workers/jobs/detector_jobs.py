"""Train and evaluate many detectors on a Ray cluster, one per Ray task."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import ray
from ray.exceptions import RayError, RayTaskError

from nas.downstream.detection.checkpoint import load_detector
from nas.downstream.detection.data import DetectionSet, choose_images
from nas.downstream.detection.evaluation import evaluate_detector
from nas.downstream.detection.images import ImageStore
from nas.downstream.detection.training import DETECTOR_FILE, DetectionPlan, load_data, run_detection
from nas.downstream.training import TOTAL
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json
from nas.files.lock import STALE_SECONDS, FileLock
from nas.files.storage import StorageError, make_folder
from nas.plugins import Session, session
from nas.training.device import choose_device, num_threads
from nas.training.run import read_records, read_result
from workers.cluster.resources import WorkerResources
from workers.cluster.signals import wait_for_any
from workers.errors import describe_error, first_line

SCORES_FILE, LOCK_FILE = "scores.json", ".lock"
Scores: TypeAlias = dict[str, Any]

_LOGGER = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
_WARN_SECONDS = 60.0
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class DetectorJob:
    """One training of a study, with a unique name.

    Attributes:
        folder: of the training; on a cluster, a path that all nodes share.
        num_known: maximum number of training images to evaluate on too, to measure overfitting.
    """

    name: str
    plan: DetectionPlan
    folder: Path
    num_known: int


@dataclass(frozen=True, slots=True)
class JobFailure:
    """The outcome of a job that failed; `error` is one line."""

    error: str


def read_scores(folder: Path) -> Scores | None:
    """Reads the scores of a finished job; None if it is not finished, ValueError if the file is damaged."""
    path = folder / SCORES_FILE
    if not path.exists():
        return None
    try:
        value = read_json(path)
    except ValueError as error:
        raise ValueError(f"{error}; remove it to evaluate the detector again") from None
    if not isinstance(value, dict) or "scores" not in value:
        raise ValueError(f"{path} must hold the scores of a detector; remove it to evaluate the detector again")
    return value


def train_and_measure(job: DetectorJob) -> Scores:
    """Trains a detector, or resumes its training, and evaluates it on both splits.

    The images must have been checked already. Waits for the folder if an earlier attempt still uses it, as it may after
    the connection to its node was lost.

    Returns:
        The contents of ``scores.json``: ``scores`` by split (``val`` and ``train``), see
        `nas.downstream.detection.evaluation.evaluate_detector`; ``loss`` of the last record; ``curve``, all evaluations
        on the plan's split with their ``iteration``; counts and seconds.

    Raises what `nas.downstream.detection.training.run_detection` does, and RuntimeError if the folder stays in use.
    """
    make_folder(job.folder)
    with _PatientLock(job.folder / LOCK_FILE):
        if (done := read_scores(job.folder)) is not None:
            return done
        data = load_data(job.plan, check=False)
        result = read_result(job.folder) or run_detection(job.plan, job.folder, data=data)
        scores = {**_summary(job.folder), "scores": _scores(job, result, data)}
        scores |= {name: result[name] for name in ("num_iterations", "num_parameters", "num_train", "seconds")}
        write_text(job.folder / SCORES_FILE, json.dumps(scores, indent=2, allow_nan=False) + "\n")
        return scores


def run_jobs(
    jobs: Sequence[DetectorJob],
    resources: WorkerResources,
    *,
    work: Callable[[DetectorJob], Scores] = train_and_measure,
) -> Iterator[tuple[DetectorJob, Scores | JobFailure]]:
    """Runs jobs on the connected Ray cluster, and yields each with its outcome when it finishes.

    A job that raises fails and is not retried. A job whose worker or node is lost is retried at most
    `resources.max_retries` times and resumes from its last checkpoint. Closing the generator stops running jobs.
    `work` runs a job, and must be importable on the nodes. Raises RuntimeError without a connection to a cluster.
    """
    if not ray.is_initialized():
        raise RuntimeError("run_jobs needs a Ray cluster: enter workers.cluster.connection.connect() first")
    task: Any = ray.remote(
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
        resources=dict(resources.custom),
        max_retries=0,  # counted below: Ray retries tasks that ran out of memory without limit
        max_calls=resources.recycle_after,
    )(_run)
    plugins = session()
    waiting, running = deque(jobs), dict[Any, DetectorJob]()
    lost: Counter[str] = Counter()
    warn_at = time.monotonic() + _LOOK_SECONDS
    try:
        while waiting or running:
            while waiting and len(running) < (resources.max_workers or len(jobs)):
                job = waiting.popleft()
                running[task.remote(work, job, plugins)] = job
            if (ready := wait_for_any(running, timeout_seconds=_POLL_SECONDS)) is None:
                warn_at = _warn_if_no_room(resources, warn_at)
                continue
            job = running.pop(ready)
            ended = _take(ready)
            if isinstance(ended, RayError) and lost[job.name] < resources.max_retries:
                lost[job.name] += 1
                _LOGGER.warning("retrying %s, its worker was lost: %s", job.name, first_line(ended))
                waiting.appendleft(job)
            elif isinstance(ended, RayError):
                yield job, JobFailure(f"{lost[job.name] + 1} workers were lost, the last: {first_line(ended)}")
            else:
                yield job, ended
    finally:
        for each in running:
            ray.cancel(each, force=True)


def _run(work: Callable[[DetectorJob], Scores], job: DetectorJob, plugins: Session) -> Scores:
    plugins.restore()
    return work(job)


def _take(done: Any) -> Scores | JobFailure | RayError:  # noqa: ANN401 - Ray's references have no type
    """Returns the outcome of a task; a RayError if its worker or node was lost."""
    try:
        scores: Scores = ray.get(done)
    except RayTaskError as error:
        if isinstance(error.cause, StorageError):  # not a result of the training, which can be resumed
            raise StorageError(str(error.cause)) from None
        return JobFailure(describe_error(error.cause) if isinstance(error.cause, Exception) else first_line(error))
    except RayError as error:
        return error
    return scores


def _warn_if_no_room(resources: WorkerResources, warn_at: float) -> float:
    """Warns if no node has room for a job, which would look like a hang; returns the time of the next check."""
    if time.monotonic() < warn_at:
        return warn_at
    if not resources.count_workers(ray.nodes()):  # type: ignore[no-untyped-call]
        _LOGGER.warning("the cluster has no node with room for a training, %s; waiting", resources.demand)
    return time.monotonic() + _WARN_SECONDS


class _PatientLock(FileLock):
    """Waits until the lock of a lost process expires."""

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 2 * STALE_SECONDS
        while True:
            try:
                return super().__enter__()
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_SECONDS)


def _summary(folder: Path) -> dict[str, Any]:
    records = read_records(folder)
    curve = [{"iteration": record["iteration"], **record["evaluation"]} for record in records if "evaluation" in record]
    return {"loss": records[-1][TOTAL], "curve": curve}


def _scores(job: DetectorJob, result: Mapping[str, Any], data: DetectionSet) -> dict[str, Any]:
    """Returns scores on the split of the plan and on the other one."""
    plan, own, detector = job.plan, job.plan.data.evaluate, job.plan.detector
    if own == "val":
        other, images = "train", choose_images(data.train, job.num_known, seed=plan.data.subset_seed)
    else:
        there = replace(plan, data=replace(plan.data, evaluate="val"))
        other, images = "val", load_data(there, check=False).evaluation
    with num_threads(plan.recipe.num_threads):
        network, _ = load_detector(job.folder / DETECTOR_FILE)
        network.to(choose_device(plan.recipe))
        store = ImageStore(plan.data.cache_mib)
        measured = evaluate_detector(
            network, images, store, plan.recipe, masks=detector.masks, keypoints=detector.keypoints
        )
    return {own: result["evaluation"], other: measured}
