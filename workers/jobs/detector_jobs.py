"""Train and evaluate many detectors on a Ray cluster, one per Ray task."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

from nas.downstream.detection.checkpoint import load_detector
from nas.downstream.detection.data import DetectionSet, choose_images
from nas.downstream.detection.evaluation import evaluate_detector
from nas.downstream.detection.images import ImageStore
from nas.downstream.detection.training import DETECTOR_FILE, DetectionPlan, load_data, run_detection
from nas.downstream.training import TOTAL
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json
from nas.files.lock import STALE_SECONDS, FileLock
from nas.files.storage import make_folder
from nas.training.device import choose_device, num_threads
from nas.training.run import read_records, read_result
from workers.cluster.resources import WorkerResources
from workers.jobs.supervision import JobFailure, supervise

SCORES_FILE, LOCK_FILE = "scores.json", ".lock"
Scores: TypeAlias = dict[str, Any]

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
    jobs: Sequence[DetectorJob], resources: WorkerResources
) -> Iterator[tuple[DetectorJob, Scores | JobFailure]]:
    """Trains and evaluates detectors on the connected Ray cluster, see `workers.jobs.supervision.supervise`."""
    return supervise(jobs, resources, train_and_measure)


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
