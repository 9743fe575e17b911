"""`nas detect`: resolves a configuration, opens or continues the detector's folder, trains, and shows what it finds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.config.config_file import DETECTION
from experiments.config.detection_config import DetectionConfig, parse_detection
from experiments.config.training_config import TrainingWorkers
from experiments.downstream.detect_figures import draw_curves, draw_pictures
from experiments.downstream.inputs import DenseOptions, open_dense, resolve_dense
from experiments.runs.live_iterations import RecordLines
from experiments.runs.run_folder import RunFolder
from nas.downstream.detection.data import DetectionSet, load_detection_data
from nas.downstream.detection.metrics import NAMES
from nas.downstream.detection.training import (
    DETECTOR_FILE,
    DetectionPlan,
    build_task,
    resolve_recipe,
    run_detection,
    train_member,
)
from nas.downstream.run import DenseWatch
from nas.models.build import Buildable
from nas.training.device import choose_device, choose_dtype
from nas.training.run import METRICS_FILE, Record, read_result

CURVES_FILE, PICTURES_FOLDER = "ap.png", "pictures"
_LABELS = dict(zip(NAMES, ("AP", "AP50", "AP75", "AP of small", "of medium", "of large objects"), strict=True))


def run_detect(source: str, options: DenseOptions, console: Console) -> int:
    """Trains a detector, or continues the training in the folder.

    Args:
        source: a YAML file, or the name of a configuration that comes with this package.
        options: what differs from it.
        console: where progress is shown.

    Returns:
        The exit code: 0.

    Raises:
        ValueError: if configuration, pictures or backbone are not valid, or the folder holds another training.
        RuntimeError: if the folder is in use or cannot be written, or the training fails.
        OSError: if a file cannot be read.
    """
    folder = options.out or Path("runs") / Path(source).stem
    config, architecture = resolve(source, options, folder)
    plan = config.plan(architecture)
    # what does not fit is said before there is a folder, which would hold on to settings that cannot be trained
    if options.data is not None and not options.data.is_dir():
        raise ValueError(f"there is no folder {options.data}")
    data = None if _is_done(folder) else load_checked(plan, console)
    with open_dense(folder, config, architecture, parse_detection):
        result = read_result(folder)
        if result is None or data is not None:
            result = detect_folder(folder, plan, data or load_checked(plan, console), config.workers, console)
    for line in result_lines(folder, result):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def load_checked(plan: DetectionPlan, console: Console) -> DetectionSet:
    """Reads and checks the pictures, and that plan, pictures, backbone and device fit together.

    Raises:
        ValueError: if they do not; one line that says where.
        RuntimeError: if pycocotools is missing, or the device.
    """
    choose_dtype(plan.recipe, choose_device(plan.recipe))
    with console.status("reading the pictures"):
        data = load_detection_data(plan.data, masks=plan.detector.masks)
    build_task(plan, data)
    return data


def detect_folder(
    folder: Path, plan: DetectionPlan, data: DetectionSet, workers: TrainingWorkers, console: Console
) -> dict[str, Any]:
    """Trains in a folder from where it is, shows how it goes, and draws pictures and curves.

    Args:
        folder: an existing one.
        plan: what to train.
        data: the plan's pictures.
        workers: who trains.
        console: where it is shown.

    Returns:
        What `result.json` holds, see `nas.downstream.detection.training.run_detection`.

    Raises:
        ValueError: if the folder holds another training.
        RuntimeError: if the training fails.
    """
    with RecordLines(resolve_recipe(plan, data).iterations, console, describe_scores) as lines:
        if workers.num_workers == 1 and workers.address is None:
            watch = DenseWatch(lines.after_iteration, lines.after_record)
            result = run_detection(plan, folder, watch, data=data)
        else:
            from workers.jobs.data_parallel import ParallelSettings, train_in_parallel

            settings = ParallelSettings(workers.num_workers, workers.cpus, workers.gpus, workers.address)
            result = train_in_parallel(plan, folder, settings, lines.after_record, train=train_member)
    records = [json.loads(line) for line in (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()]
    draw_pictures(folder / DETECTOR_FILE, data.evaluation, folder / PICTURES_FOLDER, recipe=plan.recipe)
    draw_curves(records, folder / CURVES_FILE, title=folder.name)
    return result


def resolve(source: str, options: DenseOptions, folder: Path) -> tuple[DetectionConfig, Buildable]:
    """The configuration with the options of the command line, and the architecture of the backbone.

    Raises:
        ValueError: if they are not valid, or no backbone is named.
    """
    document, architecture = resolve_dense(source, options, DETECTION, RunFolder(folder))
    return parse_detection(document), architecture


def result_lines(folder: Path, result: Mapping[str, Any]) -> list[str]:
    """What came of a training, for a person."""
    scores = result["evaluation"]
    measured = f"on {scores['num_pictures']} pictures ({result['data']['evaluate']})"
    table = [
        f"{name} {measured}: " + ", ".join(f"{_LABELS[key]} {_percent(scores[name][key])}" for key in NAMES)
        for name in ("box", "mask")
        if name in scores
    ]
    return [
        f"{result['num_parameters']:,} parameters, {result['num_backbone_parameters']:,} of them in the backbone",
        *table,
        f"{result['pictures_per_second']:,.1f} pictures a second, {result['seconds']:,.1f} s",
        f"{folder / DETECTOR_FILE} holds the weights; see {CURVES_FILE} and {PICTURES_FOLDER}/ beside it",
    ]


def describe_scores(record: Record) -> str:
    """What an evaluation says, in a few words."""
    scores = record["evaluation"]
    return ", ".join(
        f"{name} AP {_percent(scores[name]['ap'])} (AP50 {_percent(scores[name]['ap50'])})"
        for name in ("box", "mask")
        if name in scores
    )


def _is_done(folder: Path) -> bool:
    """Whether a training has left everything behind: the curves come last."""
    return read_result(folder) is not None and (folder / CURVES_FILE).is_file()


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f}"
