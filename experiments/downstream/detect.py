"""`nas detect`: trains a detector in a folder, and draws its curves and some of its detections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.config.dense_config import DetectionConfig
from experiments.config.kinds import DETECTION
from experiments.config.resolve import ConfigRequest
from experiments.config.workers import TrainingWorkers
from experiments.downstream.detect_figures import draw_curves, draw_pictures
from experiments.downstream.detect_views import measure_views, stored_views
from experiments.downstream.inputs import BackboneRequest, resolve_dense
from experiments.runs.live_iterations import RecordLines
from experiments.runs.printing import say, say_report
from experiments.runs.run_folder import Binding, RunFolder
from nas.downstream.detection.data import DetectionSet
from nas.downstream.detection.metrics import NAMES
from nas.downstream.detection.training import (
    DETECTOR_FILE,
    DetectionPlan,
    build_task,
    load_data,
    resolve_recipe,
    run_detection,
    train_member,
)
from nas.downstream.run import DenseWatch
from nas.training.device import choose_device, choose_dtype
from nas.training.run import Record, read_records, read_result

CURVES_FILE, PICTURES_FOLDER = "ap.png", "pictures"
_LABELS = dict(zip(NAMES, ("AP", "AP50", "AP75", "AP of small", "of medium", "of large objects"), strict=True))


def run_detect(request: ConfigRequest, backbone: BackboneRequest, out: Path | None, console: Console) -> int:
    """Trains a detector, or resumes the training in the folder, by default ``runs/NAME``; returns the exit code, 0.

    Raises:
        ValueError: If configuration, data or backbone are not valid, or the folder holds another run.
        RuntimeError: If the folder is in use or cannot be written, or the training fails.
        OSError: If a file cannot be read.
    """
    folder = RunFolder(out or request.default_folder)
    document, architecture = resolve_dense(DETECTION, request, backbone, folder)
    config = DetectionConfig.parse(document, source=request.source)
    plan, path = replace(config.plan(architecture), accept_data=request.accept_data), folder.path
    # what does not fit is refused before there is a folder, which would be bound to settings that cannot be trained
    root, stored = config.data.root, (folder.stored_document() or {}).get("data")
    if not Path(str(root)).is_dir() and request.changes.get(("data", "root")) is not None:
        raise ValueError(f"there is no folder {root}")
    views = config.test.views
    seen = None if views is None else stored_views(path, views)
    trained = read_result(path) is not None and (path / CURVES_FILE).is_file()  # the curves are written last
    done = trained and (views is None or seen is not None)
    data = None if done and isinstance(stored, Mapping) and root == stored.get("root") else load_checked(plan, console)
    report = None if data is None else data.report
    binding = Binding(folder, config, architecture, data=report, accept_data=request.accept_data)
    with binding.hold() as notices:
        for notice in notices:
            say(console, notice)
        result = read_result(path)
        if result is None or not done:
            data = data or load_checked(plan, console)
            if result is None or not trained:
                result = detect_folder(path, plan, data, config.workers, console)
            if views is not None:
                with console.status("evaluating several views"):
                    seen = measure_views(path, plan, data, views)
    for line in [*result_lines(path, result), *([] if seen is None else views_lines(seen))]:
        say(console, line)
    return 0


def load_checked(plan: DetectionPlan, console: Console) -> DetectionSet:
    """Reads the images, and checks that plan, images, backbone and device fit together.

    Raises ValueError if they do not; RuntimeError if pycocotools or the device is missing.
    """
    choose_dtype(plan.recipe, choose_device(plan.recipe))
    with console.status("reading the images"):
        data = load_data(plan)
    say_report(console, data.report)
    build_task(plan, data)
    return data


def detect_folder(
    folder: Path, plan: DetectionPlan, data: DetectionSet, workers: TrainingWorkers, console: Console
) -> dict[str, Any]:
    """Trains a detector, or resumes the training in an existing folder, and draws images and curves.

    Returns what `result.json` holds. Raises ValueError if the folder holds another training; RuntimeError if the
    training fails.
    """
    with RecordLines(resolve_recipe(plan, data).iterations, console, describe_scores) as lines:
        if workers.is_local:
            watch = DenseWatch(lines.after_iteration, lines.after_record)
            result = run_detection(plan, folder, watch, data=data)
        else:
            from workers.jobs.data_parallel import train_in_parallel

            result = train_in_parallel(plan, folder, workers.parallel(), lines.after_record, train=train_member)
    records = read_records(folder)
    draw_pictures(folder / DETECTOR_FILE, data.evaluation, folder / PICTURES_FOLDER, recipe=plan.recipe)
    draw_curves(records, folder / CURVES_FILE, title=folder.name)
    return result


def result_lines(folder: Path, result: Mapping[str, Any]) -> list[str]:
    """Formats the result of a training as lines of text."""
    scores = result["evaluation"]
    measured = f"on {scores['num_pictures']} images ({result['data']['evaluate']})"
    table = [f"{name} {measured}: " + _row(scores[name]) for name in ("box", "mask", "keypoints") if name in scores]
    if voc := scores.get("voc"):
        points, area = (_percent(voc[key]) for key in ("eleven_points", "area"))
        table.append(f"Pascal VOC {measured}: AP at 0.5 {points} with eleven points, {area} as area under the curve")
    return [
        f"{result['num_parameters']:,} parameters, {result['num_backbone_parameters']:,} of them in the backbone",
        *table,
        f"{result['pictures_per_second']:,.1f} images per second, {result['seconds']:,.1f} s",
        f"{folder / DETECTOR_FILE} holds the weights; see {CURVES_FILE} and {PICTURES_FOLDER}/ beside it",
    ]


def views_lines(scores: Mapping[str, Any]) -> list[str]:
    """Formats the scores in several views as lines of text."""
    views = scores["views"]
    sides = ", ".join(map(str, views["scales"])) + " pixels" + (", mirrored too" if views["flip"] else "")
    return [f"{name} in views of {sides}: " + _row(scores[name]) for name in ("box", "mask") if name in scores]


def describe_scores(record: Record) -> str:
    """Summarizes an evaluation in a few words."""
    scores = record["evaluation"]
    found = [
        f"{name} AP {_percent(scores[name]['ap'])} (AP50 {_percent(scores[name]['ap50'])})"
        for name in ("box", "mask", "keypoints")
        if name in scores
    ]
    return ", ".join([*found, *([f"VOC AP {_percent(scores['voc']['ap'])}"] if "voc" in scores else [])])


def _row(scores: Mapping[str, float | None]) -> str:
    return ", ".join(f"{_LABELS[key]} {_percent(value)}" for key, value in scores.items())


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f}"
