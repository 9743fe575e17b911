"""`nas study pretraining`: trains a detector from scratch and pre-trained, over schedules, data sizes and seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.architectures.find import find_architecture
from experiments.architectures.trained import find_trained_file
from experiments.config.dense_config import use_normalization
from experiments.config.kinds import STUDY
from experiments.config.parsing.sections import dump_settings
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.study_config import StudyConfig
from experiments.runs.live_display import describe_seconds
from experiments.runs.printing import say, say_report
from experiments.runs.run_folder import Binding, RunFolder
from experiments.study.figures import draw_study
from experiments.study.plan import StudyTraining, check_trainings, plan_trainings, training_folder
from experiments.study.results import StudySummary, measured
from experiments.study.summary import summarize
from experiments.study.table import markdown_study
from nas.downstream.detection.data import load_detection_data
from nas.files.atomic_write import write_text
from nas.models.checkpoint import load_checkpoint
from nas.models.reference.descriptions import Buildable
from nas.training.transfer import check_same_architecture
from workers.cluster.connection import connect
from workers.jobs.detector_jobs import DetectorJob, Scores, read_scores, run_jobs
from workers.jobs.supervision import JobFailure

JSON_FILE, TABLE_FILE = "study.json", "study.md"


def run_study(request: ConfigRequest, backbone: str | None, out: Path | None, console: Console) -> StudySummary:
    """Trains what is not trained yet, and writes ``study.json``, ``study.md`` and the figures.

    Each training has its own folder: the same command resumes, and one with more seeds, schedules or fractions adds
    theirs. The configuration is of a study or of a detector, the backbone by default that of the pre-trained
    classifier, the folder by default ``runs/NAME_study``.

    Raises:
        ValueError: If configuration, data or backbone are not valid, or the folder holds another run.
        RuntimeError: If the folder is in use or cannot be written, Ray cannot be reached, or all trainings fail.
        OSError: If a file cannot be read.
    """
    folder = RunFolder(out or request.default_folder.with_name(f"{request.default_folder.name}_study"))
    config, architecture = _resolve(request, backbone, folder)
    with console.status("reading the images"):
        data = load_detection_data(config.data, masks=config.detector.masks, keypoints=config.detector.keypoints)
    say_report(console, data.report)
    trainings = plan_trainings(config, architecture, data)
    if request.accept_data:
        trainings = [replace(each, plan=replace(each.plan, accept_data=True)) for each in trainings]
    check_trainings(trainings, data)
    digest = hashlib.sha256(Path(str(config.study.pretrained)).read_bytes()).hexdigest()
    origin = {"pretrained": digest} | ({} if request.accept_data else {"data": data.fingerprint})
    binding = Binding(folder, config, architecture, origin, data.report, request.accept_data)
    with binding.hold() as notices:
        for notice in notices:
            say(console, notice)
        results = _train_all(folder.path, trainings, config, console)
        value = summarize(results, split=config.data.evaluate)
        images = {} if data.report is None else {"images": data.report.counts}
        plain = {"config": request.source, **images, **value.to_json()}
        write_text(folder.path / JSON_FILE, json.dumps(plain, indent=2, allow_nan=False) + "\n")
        write_text(folder.path / TABLE_FILE, markdown_study(value))
        draw_study(value, folder.path)
    say(console, f"{folder.path} holds {TABLE_FILE}, {JSON_FILE} and the figures")
    return value


def _resolve(request: ConfigRequest, backbone: str | None, folder: RunFolder) -> tuple[StudyConfig, Buildable]:
    """Resolves configuration and architecture; the pre-trained classifier sets network and normalization of images."""
    stored = folder.stored_document()
    document = resolve(STUDY, request, stored)
    pretrained = document["study"].get("pretrained")
    if pretrained is None:
        raise ValueError("a trained classifier must be given with --pretrained: a folder of nas train or nas export")
    weights = find_trained_file(str(pretrained)).resolve()
    checkpoint = load_checkpoint(weights)
    if backbone is not None:
        check_same_architecture(checkpoint, find_architecture(backbone).architecture, name=str(weights))
    document["study"]["pretrained"] = str(weights)
    document["network"] = dump_settings(checkpoint.network.spec)
    if stored is None:  # an earlier study continues as it was
        use_normalization(document, checkpoint)
    return StudyConfig.parse(document, source=request.source), checkpoint.network.architecture


def _train_all(
    out: Path, trainings: Sequence[StudyTraining], config: StudyConfig, console: Console
) -> list[dict[str, Any]]:
    """Runs the trainings that are missing; returns the results in the order of the trainings."""
    ended: dict[str, Scores | JobFailure] = {}
    jobs = []
    for each in trainings:
        folder = training_folder(out, each)
        if (scores := read_scores(folder)) is not None:
            ended[each.name] = scores
        else:
            jobs.append(DetectorJob(each.name, each.plan, folder.resolve(), config.study.num_known))
    say(console, f"{len(trainings)} trainings, {len(ended)} of them done")
    if jobs:
        with connect(config.workers.address):
            for job, result in run_jobs(jobs, config.workers.each()):
                ended[job.name] = result
                say(console, f"{len(ended)} of {len(trainings)}: {_describe(job, result, config.data.evaluate)}")
    return [_result(each, ended[each.name]) for each in trainings]


def _describe(job: DetectorJob, result: Scores | JobFailure, split: str) -> str:
    if isinstance(result, JobFailure):
        return f"{job.name} failed: {result.error}"
    scores = {name: measured(result, f"{name}.box.ap50") for name in (split, *({"val", "train"} - {split}))}
    shares = ", ".join(f"{'none' if share is None else f'{share:.1%}'} on {name}" for name, share in scores.items())
    return f"{job.name}: AP50 {shares}, loss {result['loss']:.3f}, {describe_seconds(result['seconds'])}"


def _result(training: StudyTraining, ended: Scores | JobFailure) -> dict[str, Any]:
    return {
        "name": training.name,
        "start": training.start,
        "schedule": training.schedule,
        "fraction": training.fraction,
        "seed": training.plan.seed,
        "num_pictures": training.plan.data.num_train,
        "num_iterations": training.num_iterations,
        **({"error": ended.error} if isinstance(ended, JobFailure) else ended),
    }
