"""`nas study pretraining`: a detector from scratch and pre-trained, over schedules, amounts of data and seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from experiments.architectures.find import find_architecture
from experiments.architectures.trained import find_trained_file
from experiments.config.config_file import apply_setting
from experiments.config.sections import dump_settings
from experiments.config.study_config import Document, StudyConfig, load_study, parse_study
from experiments.runs.live_search import describe_seconds
from experiments.runs.run_folder import RunFolder, differences
from experiments.study.figures import draw_study
from experiments.study.plan import StudyTraining, check_trainings, plan_trainings, training_folder
from experiments.study.results import StudySummary, measured
from experiments.study.summary import summarize
from experiments.study.table import markdown_study
from nas.downstream.detection.data import DetectionSet, load_detection_data
from nas.files.atomic_write import write_text
from nas.files.lock import FileLock
from nas.files.strict_json import parse_json
from nas.models.build import Buildable
from nas.models.checkpoint import load_checkpoint
from nas.training.transfer import check_same_architecture
from workers.cluster.connection import connect
from workers.cluster.resources import RayResources
from workers.jobs.detector_jobs import DetectorJob, JobFailure, Scores, read_scores, run_jobs

ORIGIN_FILE, LOCK_FILE, JSON_FILE, TABLE_FILE = "origin.json", ".lock", "study.json", "study.md"
_FREE = ("pretrained", "seed", "num_seeds", "schedules", "fractions")


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """Options of the command line; None leaves a setting as the configuration has it.

    Attributes:
        backbone: its architecture, see `experiments.architectures.find.find_architecture`; None takes that of
            `pretrained`.
        pretrained: a trained classifier of that architecture, see
            `experiments.architectures.trained.find_trained_file`.
        data: the folder of pictures and annotations.
        out: the folder; None means ``runs/<name of the configuration>_study``.
        seeds: trainings of each kind.
        schedules: ``1x`` and so on, separated by commas.
        fractions: of the training pictures, likewise.
        workers: trainings at a time.
        address: of a running Ray cluster.
        settings: texts of the form ``section.key=value``; they come last.
    """

    backbone: str | None = None
    pretrained: str | None = None
    data: Path | None = None
    out: Path | None = None
    seeds: int | None = None
    schedules: str | None = None
    fractions: str | None = None
    workers: int | None = None
    address: str | None = None
    settings: tuple[str, ...] = ()


def run_study(source: str, options: StudyOptions, console: Console) -> StudySummary:
    """Trains what is not trained yet, and writes ``study.json``, ``study.md`` and the figures.

    Each training has a folder of its own: the same command goes on where it was, and one with more seeds, schedules or
    fractions trains what these add.

    Args:
        source: a YAML file, or the name of a configuration that comes with this package, of a study or a detector.
        options: what differs from it.
        console: where progress is shown.

    Returns:
        What ``study.json`` holds beside the name of the configuration.

    Raises:
        ValueError: if configuration, pictures or backbone are not valid, or the folder holds another study.
        RuntimeError: if the folder is in use or cannot be written, Ray cannot be reached, or all trainings fail.
        OSError: if a file cannot be read.
    """
    folder = RunFolder(options.out or Path("runs") / f"{Path(source).stem}_study")
    config, architecture = resolve(source, options, folder)
    with console.status("reading the pictures"):
        data = load_detection_data(config.data, masks=config.detector.masks)
    trainings = plan_trainings(config, architecture, data)
    check_trainings(trainings, data)
    with open_study(folder, config, _origin(config, architecture, data)):
        results = _train_all(folder.path, trainings, config, console)
        value = summarize(results, split=config.data.evaluate)
        plain = {"config": source, **value.to_json()}
        write_text(folder.path / JSON_FILE, json.dumps(plain, indent=2, allow_nan=False) + "\n")
        write_text(folder.path / TABLE_FILE, markdown_study(value))
        draw_study(value, folder.path)
    _say(console, f"{folder.path} holds {TABLE_FILE}, {JSON_FILE} and the figures")
    return value


def resolve(source: str, options: StudyOptions, folder: RunFolder) -> tuple[StudyConfig, Buildable]:
    """The configuration with the options of the command line, and the architecture of the backbone.

    The pre-trained classifier sets the network around the cells. The folder, if it is there, knows it, and where the
    pictures lie.

    Raises:
        ValueError: if they are not valid, or the pre-trained classifier is missing or has another architecture.
        OSError: if a file cannot be read.
    """
    document = load_study(source)
    stored = folder.stored_document() or {}
    for (section, key), value in _changes(options).items():
        if value is not None:
            document[section][key] = value
    for setting in options.settings:
        apply_setting(document, setting)
    for section, key in (("data", "root"), ("study", "pretrained")):
        if document[section].get(key) is None:
            document[section][key] = stored.get(section, {}).get(key)
    return _with_backbone(document, options.backbone)


@contextmanager
def open_study(folder: RunFolder, config: StudyConfig, origin: dict[str, Any]) -> Iterator[None]:
    """Makes the folder of a study or checks that it holds this one, and keeps other processes out of it.

    Args:
        folder: of the study.
        config: may differ from the stored one in which trainings there are, and in who trains.
        origin: architecture, and what tells weights and pictures from others.

    Raises:
        ValueError: if it holds another study, or other things.
        RuntimeError: if another process uses it.
    """
    _check_same(folder, config, origin)
    folder.path.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.path / LOCK_FILE):
        _check_same(folder, config, origin)
        write_text(folder.path / ORIGIN_FILE, json.dumps(origin, indent=2) + "\n")
        folder.write_config(config.to_document())
        folder.write_environment()
        yield


def _changes(options: StudyOptions) -> dict[tuple[str, str], Any]:
    return {
        ("study", "pretrained"): options.pretrained,
        ("study", "num_seeds"): options.seeds,
        ("study", "schedules"): None if options.schedules is None else options.schedules.split(","),
        ("study", "fractions"): None if options.fractions is None else _numbers(options.fractions),
        ("data", "root"): None if options.data is None else str(options.data.resolve()),
        ("workers", "num_workers"): options.workers,
        ("workers", "address"): options.address,
    }


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"fractions must be numbers such as 0.5,1, got {text!r:.60}") from None


def _with_backbone(document: Document, backbone: str | None) -> tuple[StudyConfig, Buildable]:
    pretrained = document["study"].get("pretrained")
    if pretrained is None:
        raise ValueError("a trained classifier must be named with --pretrained: what nas train or nas export wrote")
    weights = find_trained_file(str(pretrained)).resolve()
    checkpoint = load_checkpoint(weights)
    if backbone is not None:
        check_same_architecture(checkpoint, find_architecture(backbone).architecture, name=str(weights))
    document["study"]["pretrained"] = str(weights)
    document["network"] = dump_settings(checkpoint.network.spec)
    return parse_study(document), checkpoint.network.architecture


def _origin(config: StudyConfig, architecture: Buildable, data: DetectionSet) -> dict[str, Any]:
    with Path(str(config.study.pretrained)).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"architecture": architecture.to_json(), "pretrained": digest, "data": data.fingerprint}


def _check_same(folder: RunFolder, config: StudyConfig, origin: dict[str, Any]) -> None:
    stored = folder.stored_document()
    if stored is None:
        if folder.path.is_dir() and any(path.name != LOCK_FILE for path in folder.path.iterdir()):
            raise ValueError(f"{folder.path} holds other things than a study; choose another --out")
        return
    try:
        former = parse_study(stored).to_document()
        known = parse_json((folder.path / ORIGIN_FILE).read_bytes())
    except (ValueError, OSError) as error:
        raise ValueError(f"{folder.path} holds no study that can go on; choose another --out: {error}") from None
    different = [f"other {name}" for name in origin if known.get(name) != origin[name]]
    different += differences(_binding(former), _binding(config.to_document()))
    if different:
        raise ValueError(f"{folder.path} holds another study ({'; '.join(different)}); choose another --out")


def _binding(document: Document) -> Document:
    """Without what may change from one session to the next."""
    study = {name: value for name, value in document["study"].items() if name not in _FREE}
    return {**document, "study": study, "workers": {}}


def _train_all(
    out: Path, trainings: Sequence[StudyTraining], config: StudyConfig, console: Console
) -> list[dict[str, Any]]:
    """Trains what is not done; gives the results in the order of the trainings."""
    ended: dict[str, Scores | JobFailure] = {}
    for training in trainings:
        if (scores := read_scores(training_folder(out, training))) is not None:
            ended[training.name] = scores
    jobs = [
        DetectorJob(each.name, each.plan, training_folder(out, each).resolve(), config.study.num_known)
        for each in trainings
        if each.name not in ended
    ]
    _say(console, f"{len(trainings)} trainings, {len(ended)} of them done")
    if jobs:
        with connect(config.workers.address):
            for job, result in run_jobs(jobs, _resources(config)):
                ended[job.name] = result
                _say(console, f"{len(ended)} of {len(trainings)}: {_describe(job, result, config.data.evaluate)}")
    return [_result(training, ended[training.name]) for training in trainings]


def _resources(config: StudyConfig) -> RayResources:
    workers = config.workers
    gpus = int(torch.cuda.is_available()) if workers.gpus is None else workers.gpus
    return RayResources(
        cpus=workers.cpus,
        gpus=gpus,
        max_retries=workers.max_retries,
        recycle_after=int(gpus > 0),
        max_workers=workers.num_workers,
    )


def _describe(job: DetectorJob, result: Scores | JobFailure, split: str) -> str:
    if isinstance(result, JobFailure):
        return f"{job.name} failed: {result.error}"
    scores = {name: measured(result, f"{name}.box.ap50") for name in (split, *({"val", "train"} - {split}))}
    shares = ", ".join(f"{'none' if share is None else f'{share:.1%}'} on {name}" for name, share in scores.items())
    return f"{job.name}: AP50 {shares}, loss {result['loss']:.3f}, {describe_seconds(result['seconds'])}"


def _result(training: StudyTraining, ended: Scores | JobFailure) -> dict[str, Any]:
    described = {
        "name": training.name,
        "start": training.start,
        "schedule": training.schedule,
        "fraction": training.fraction,
        "seed": training.plan.seed,
        "num_pictures": training.plan.data.num_train,
        "num_iterations": training.num_iterations,
    }
    return {**described, **({"error": ended.error} if isinstance(ended, JobFailure) else ended)}


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
