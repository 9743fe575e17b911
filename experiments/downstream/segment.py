"""`nas segment`: trains a segmenter in a folder and evaluates it in-domain and under distribution shift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from experiments.comparison.tables import terminal_table
from experiments.config.dense_config import SegmentationConfig
from experiments.config.kinds import SEGMENTATION
from experiments.config.resolve import ConfigRequest
from experiments.downstream.inputs import BackboneRequest, resolve_dense
from experiments.downstream.segment_domains import Domain, find_domains, measure_domains
from experiments.downstream.segment_figures import draw_curves, draw_pictures
from experiments.runs.live_iterations import RecordLines
from experiments.runs.printing import say, say_report
from experiments.runs.run_folder import Binding, RunFolder
from nas.downstream.run import DenseWatch
from nas.downstream.segmentation.checkpoint import load_segmenter
from nas.downstream.segmentation.data import SegmentationFolder, read_folder
from nas.downstream.segmentation.training import (
    SEGMENTER_FILE,
    SegmentationPlan,
    build_task,
    run_segmentation,
    train_member,
)
from nas.models.reference.descriptions import Buildable
from nas.training.device import choose_device, num_threads
from nas.training.run import Record, read_records, read_result

CURVES_FILE, PICTURES_FILE = "curves.png", "pictures.png"


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What ``result.json`` and ``domains.json`` of a training hold."""

    result: Mapping[str, Any]
    domains: Mapping[str, Any]


def run_segment(request: ConfigRequest, backbone: BackboneRequest, out: Path | None, console: Console) -> int:
    """Trains a segmenter in the folder, by default ``runs/NAME``, or resumes, and evaluates it; the exit code is 0.

    Raises:
        ValueError: If configuration, data or backbone are not valid, or the folder holds another run.
        RuntimeError: If the folder is in use or cannot be written, or the training fails.
        OSError: If a file cannot be read.
    """
    folder = RunFolder(out or request.default_folder)
    document, architecture = resolve_dense(SEGMENTATION, request, backbone, folder)
    config = SegmentationConfig.parse(document, source=request.source)
    data = read_images(config, console)
    found = segment_folder(folder.path, config, architecture, data, console, accept_data=request.accept_data)
    for line in result_lines(folder.path, found.result):
        say(console, line)
    console.print(class_table(found.result))
    console.print(domain_table(found.domains))
    return 0


def read_images(config: SegmentationConfig, console: Console) -> SegmentationFolder:
    """Reads all images and masks, see `nas.downstream.segmentation.data.read_folder`, and prints what is used."""
    with console.status("reading the images and masks"):
        data = read_folder(Path(config.data.root or ""), config.data)
    say_report(console, data.report)
    return data


def segment_folder(
    folder: Path,
    config: SegmentationConfig,
    architecture: Buildable,
    data: SegmentationFolder,
    console: Console,
    *,
    accept_data: bool = False,
) -> SegmentResult:
    """Trains a segmenter in the folder, or resumes the training, evaluates it, and draws curves and images.

    Raises ValueError if images, backbone and folder do not fit together, before anything is trained; RuntimeError if
    the training fails.
    """
    plan = replace(config.plan(architecture), accept_data=accept_data)
    build_task(plan, data)  # what does not fit is said before there is a folder
    domains = find_domains(plan, data, config.test)
    binding = Binding(RunFolder(folder), config, architecture, data=data.report, accept_data=accept_data)
    with binding.hold() as notices:
        for notice in notices:
            say(console, notice)
        result = read_result(folder) or _train(folder, plan, config, data, console)
        train = data.classes.count(data.train.counts)
        with num_threads(plan.recipe.num_threads), console.status("evaluating") as status:
            load = partial(_load, folder, plan)
            measured = measure_domains(folder, load, domains, train, lambda name: status.update(f"evaluating {name}"))
        _draw(folder, plan, domains[0])
    return SegmentResult(result, measured)


def result_lines(folder: Path, result: Mapping[str, Any]) -> list[str]:
    """Formats the result of a training as lines of text."""
    scores = result["evaluation"]
    return [
        f"{result['num_parameters']:,} parameters, {result['head']} head at output stride {result['output_stride']}",
        f"validation: {describe_scores({'evaluation': scores})}; the most frequent class everywhere: "
        f"mean IoU {scores['constant']['mean_iou']:.2%}, pixels {scores['constant']['pixel_accuracy']:.2%}",
        f"{result['pictures_per_second']:,.1f} images per second, {result['seconds']:,.1f} s",
        f"{folder / SEGMENTER_FILE} holds the weights; see {CURVES_FILE} and {PICTURES_FILE} beside it",
    ]


def class_table(result: Mapping[str, Any]) -> Table:
    """Formats the scores of the classes, ordered by number of pixels in the validation images."""
    scores = result["evaluation"]
    total = sum(scores["pixels"])
    classes = zip(result["class_names"], scores["pixels"], scores["iou"], strict=True)
    rows = [
        (name, f"{pixels / total:.1%}", "none" if share is None else f"{share:.1%}")
        for name, pixels, share in sorted(classes, key=lambda row: -row[1])
    ]
    return terminal_table(("class", "share of the pixels", "IoU"), rows, title="classes of the validation images")


def domain_table(domains: Mapping[str, Any]) -> Table:
    """Formats the scores in each domain."""
    rows = []
    for name, scores in domains.items():
        look = scores["look"]
        shown = name if look is None else f"validation, {name} at severity {look['severity']}"
        rows.append((shown, f"{scores['mean_iou']:.2%}", f"{scores['pixel_accuracy']:.2%}"))
    return terminal_table(("domain", "mean IoU", "pixel accuracy"), rows, title="scores by domain")


def describe_scores(record: Record) -> str:
    """Summarizes an evaluation in a few words."""
    scores = record["evaluation"]
    return f"mean IoU {scores['mean_iou']:.2%}, pixels {scores['pixel_accuracy']:.2%}"


def _train(
    folder: Path, plan: SegmentationPlan, config: SegmentationConfig, data: SegmentationFolder, console: Console
) -> dict[str, Any]:
    workers = config.workers
    with RecordLines(plan.recipe.iterations, console, describe_scores) as lines:
        if workers.is_local:
            return run_segmentation(plan, data, folder, DenseWatch(lines.after_iteration, lines.after_record))
        from workers.jobs.data_parallel import train_in_parallel

        return train_in_parallel((plan, data), folder, workers.parallel(), lines.after_record, train=train_member)


def _draw(folder: Path, plan: SegmentationPlan, home: Domain) -> None:
    """Draws the figures that are missing."""
    if not (folder / CURVES_FILE).is_file():
        draw_curves(read_records(folder), folder / CURVES_FILE, title=folder.name)
    if not (folder / PICTURES_FILE).is_file():
        with num_threads(plan.recipe.num_threads):
            draw_pictures(_load(folder, plan), home.pictures, folder / PICTURES_FILE)


def _load(folder: Path, plan: SegmentationPlan) -> nn.Module:
    return load_segmenter(folder / SEGMENTER_FILE)[0].to(choose_device(plan.recipe))
