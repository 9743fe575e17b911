"""`nas segment`: trains a segmenter in a folder, measures it at home and abroad, and shows what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from experiments.config.config_file import SEGMENTATION
from experiments.config.segmentation_config import SegmentationConfig, parse_segmentation
from experiments.downstream.inputs import DenseOptions, open_dense, resolve_dense
from experiments.downstream.segment_domains import Domain, find_domains, measure_domains
from experiments.downstream.segment_figures import draw_curves, draw_pictures
from experiments.runs.live_iterations import RecordLines
from experiments.runs.run_folder import RunFolder
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
from nas.models.build import Buildable
from nas.training.device import choose_device, num_threads
from nas.training.run import METRICS_FILE, Record, read_result

CURVES_FILE, PICTURES_FILE = "curves.png", "pictures.png"


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What came of a training.

    Attributes:
        result: what `result.json` holds, see `nas.downstream.segmentation.training.run_segmentation`.
        domains: what `domains.json` holds, see `experiments.downstream.segment_domains.measure_domains`.
    """

    result: Mapping[str, Any]
    domains: Mapping[str, Any]


def run_segment(source: str, options: DenseOptions, console: Console, *, test_data: Path | None = None) -> int:
    """Trains a segmenter, or continues the training in the folder, and measures it.

    Args:
        source: a YAML file, or the name of a configuration that comes with this package.
        options: what differs from it.
        console: where progress is shown.
        test_data: another folder on which it is measured too; None leaves that to the configuration.

    Returns:
        The exit code: 0.

    Raises:
        ValueError: if configuration, pictures or backbone are not valid, or the folder holds another training.
        RuntimeError: if the folder is in use or cannot be written, or the training fails.
        OSError: if a file cannot be read.
    """
    folder = options.out or Path("runs") / Path(source).stem
    config, architecture = resolve_segmentation(source, options, folder, test_data=test_data)
    data = read_pictures(config, console)
    found = segment_folder(folder, config, architecture, data, console)
    for line in result_lines(folder, found.result):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(class_table(found.result))
    console.print(domain_table(found.domains))
    return 0


def resolve_segmentation(
    source: str, options: DenseOptions, folder: Path, *, test_data: Path | None = None
) -> tuple[SegmentationConfig, Buildable]:
    """The valid configuration with the options of the command line, and the architecture of the backbone.

    Raises:
        ValueError: if they are not valid, or no backbone or no pictures are named.
    """
    document, architecture = resolve_dense(source, options, SEGMENTATION, RunFolder(folder))
    if test_data is not None:
        document["test"]["root"] = str(test_data.resolve())
    return parse_segmentation(document), architecture


def read_pictures(config: SegmentationConfig, console: Console) -> SegmentationFolder:
    """Looks at all pictures and masks, see `nas.downstream.segmentation.data.read_folder`."""
    with console.status("looking at the pictures and masks"):
        return read_folder(Path(config.data.root or ""), config.data)


def segment_folder(
    folder: Path, config: SegmentationConfig, architecture: Buildable, data: SegmentationFolder, console: Console
) -> SegmentResult:
    """Trains in a folder from where it is, measures, and draws curves and pictures.

    Args:
        folder: of the training, made where it is missing.
        config: how, and where it is measured.
        architecture: of the backbone.
        data: the pictures.
        console: where it is shown.

    Raises:
        ValueError: if pictures, backbone and folder do not fit together; nothing is trained then.
        RuntimeError: if the training fails.
    """
    plan = config.plan(architecture)
    build_task(plan, data)  # what does not fit is said before there is a folder
    domains = find_domains(plan, data, config.test)
    with open_dense(folder, config, architecture, parse_segmentation):
        result = read_result(folder) or _train(folder, plan, config, data, console)
        measured = _measure(folder, plan, domains, data, console)
        _draw(folder, plan, domains[0])
    return SegmentResult(result, measured)


def result_lines(folder: Path, result: Mapping[str, Any]) -> list[str]:
    """What came of a training, for a person."""
    scores = result["evaluation"]
    return [
        f"{result['num_parameters']:,} parameters, {result['head']} head at output stride {result['output_stride']}",
        f"validation: {describe_scores({'evaluation': scores})}; saying everywhere what is most frequent: "
        f"mean IoU {scores['constant']['mean_iou']:.2%}, pixels {scores['constant']['pixel_accuracy']:.2%}",
        f"{result['pictures_per_second']:,.1f} pictures a second, {result['seconds']:,.1f} s",
        f"{folder / SEGMENTER_FILE} holds the weights; see {CURVES_FILE} and {PICTURES_FILE} beside it",
    ]


def class_table(result: Mapping[str, Any]) -> Table:
    """The classes of the validation pictures, those with the most pixels first."""
    scores = result["evaluation"]
    total = sum(scores["pixels"])
    table = Table(title="classes of the validation pictures")
    for name in ("class", "share of the pixels", "IoU"):
        table.add_column(name, justify="left" if name == "class" else "right")
    rows = zip(result["class_names"], scores["pixels"], scores["iou"], strict=True)
    for name, pixels, share in sorted(rows, key=lambda row: -row[1]):
        table.add_row(name, f"{pixels / total:.1%}", "none" if share is None else f"{share:.1%}")
    return table


def domain_table(domains: Mapping[str, Any]) -> Table:
    """Scores where it was measured."""
    table = Table(title="the same network, other pictures")
    for name in ("pictures", "mean IoU", "pixels right"):
        table.add_column(name, justify="left" if name == "pictures" else "right")
    for name, scores in domains.items():
        look = scores["look"]
        shown = name if look is None else f"validation, {name} at severity {look['severity']}"
        table.add_row(shown, f"{scores['mean_iou']:.2%}", f"{scores['pixel_accuracy']:.2%}")
    return table


def describe_scores(record: Record) -> str:
    """What an evaluation says, in a few words."""
    scores = record["evaluation"]
    return f"mean IoU {scores['mean_iou']:.2%}, pixels {scores['pixel_accuracy']:.2%}"


def _train(
    folder: Path, plan: SegmentationPlan, config: SegmentationConfig, data: SegmentationFolder, console: Console
) -> dict[str, Any]:
    workers = config.workers
    with RecordLines(plan.recipe.iterations, console, describe_scores) as lines:
        if workers.num_workers == 1 and workers.address is None:
            result = run_segmentation(plan, data, folder, DenseWatch(lines.after_iteration, lines.after_record))
        else:
            from workers.jobs.data_parallel import ParallelSettings, train_in_parallel

            settings = ParallelSettings(workers.num_workers, workers.cpus, workers.gpus, workers.address)
            result = train_in_parallel((plan, data), folder, settings, lines.after_record, train=train_member)
    return result


def _measure(
    folder: Path, plan: SegmentationPlan, domains: list[Domain], data: SegmentationFolder, console: Console
) -> dict[str, Any]:
    train = data.classes.count(data.train.counts)
    with num_threads(plan.recipe.num_threads), console.status("measuring") as status:
        return measure_domains(
            folder,
            lambda: _load(folder, plan),
            domains,
            train,
            said=lambda name: status.update(f"measuring {name}"),
        )


def _draw(folder: Path, plan: SegmentationPlan, home: Domain) -> None:
    """Draws what is not there yet, as after a kill at the very end."""
    if not (folder / CURVES_FILE).is_file():
        records = [json.loads(line) for line in (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()]
        draw_curves(records, folder / CURVES_FILE, title=folder.name)
    if not (folder / PICTURES_FILE).is_file():
        with num_threads(plan.recipe.num_threads):
            draw_pictures(_load(folder, plan), home.pictures, folder / PICTURES_FILE)


def _load(folder: Path, plan: SegmentationPlan) -> nn.Module:
    return load_segmenter(folder / SEGMENTER_FILE)[0].to(choose_device(plan.recipe))
