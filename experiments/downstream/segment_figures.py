"""Figures of a segmenter: curves of its training, predictions beside the truth, and a comparison of norms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor, nn

from experiments.comparison.figure_style import (
    BASELINE,
    PALETTE,
    count_from_left,
    finish,
    legend_below,
    percent,
    save,
    style,
)
from experiments.comparison.formatting import plural
from experiments.downstream.norm_results import NormStudy
from nas.downstream.segmentation.classes import IGNORED
from nas.downstream.segmentation.images import SegmentationImages
from nas.downstream.segmentation.views import predict
from nas.training.run import Record

NUM_PICTURES = 4
_MAX_NAMED = 12
_NO_CLASS = (1.0, 1.0, 1.0)


def draw_curves(records: Sequence[Record], path: Path, *, title: str) -> None:
    """Draws loss and validation scores of the records of `metrics.jsonl`, at least one evaluated, as PNG or SVG."""
    measured = [record for record in records if "evaluation" in record]
    iterations = [record["iteration"] for record in measured]
    with style():
        figure = Figure(figsize=(8.4, 3.2), layout="constrained", facecolor="white")
        loss, scores = figure.subplots(1, 2)
        loss.plot([record["iteration"] for record in records], [record["loss"] for record in records], color=PALETTE[0])
        finish(loss, f"Loss of {title}", "mean since the previous record", "loss")
        labels = {"mean_iou": "mean IoU", "pixel_accuracy": "pixel accuracy"}
        for (key, label), colour in zip(labels.items(), PALETTE, strict=False):
            values = [record["evaluation"][key] for record in measured]
            scores.plot(iterations, percent(values), color=colour, marker=".", label=label)
            scores.axhline(100 * measured[-1]["evaluation"]["constant"][key], color=colour, lw=0.8, ls="--")
        scores.set_ylim(bottom=0)
        finish(scores, "Validation images", "dashed: predicting the most frequent class", "%")
        for axes in (loss, scores):
            count_from_left(axes, "iteration")
        legend_below(scores)
        save(figure, path)


def draw_pictures(network: nn.Module, pictures: SegmentationImages, path: Path) -> None:
    """Draws the first images beside their truth and the prediction of a network in evaluation mode, as PNG or SVG."""
    device = next(network.parameters()).device
    number = min(NUM_PICTURES, len(pictures))
    seen: set[int] = set()
    with style():
        figure = Figure(figsize=(8.4, 2.2 * number + 0.8), layout="constrained", facecolor="white")
        grid = figure.subplots(number, 3, squeeze=False)
        for index, row in enumerate(grid):
            picture, truth = pictures.whole(index)
            predicted = predict(network, picture.to(device), truth.shape).cpu()
            seen |= {*truth.flatten().tolist(), *predicted.flatten().tolist()}
            shown = (picture.permute(1, 2, 0).numpy(), coloured(truth), coloured(predicted))
            for axes, pixels, name in zip(row, shown, ("image", "truth", "prediction"), strict=True):
                axes.imshow(pixels, aspect="equal", extent=(0, truth.shape[1], truth.shape[0], 0))
                axes.set_axis_off()
                if index == 0:
                    axes.set_title(name)
        named = sorted(seen - {IGNORED})[:_MAX_NAMED]
        handles = [Patch(color=_colour(number), label=pictures.classes.names[number]) for number in named]
        handles.append(Patch(facecolor=_NO_CLASS, edgecolor=BASELINE, label="unlabelled"))
        figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=7)
        save(figure, path)


def draw_norms(study: NormStudy, path: Path) -> None:
    """Draws the mean IoU of several norms side by side, in each domain, as PNG or SVG."""
    domains, norms = study.domains, study.norms
    with style():
        figure = Figure(figsize=(6.4, 1.3 + 0.32 * len(domains)), layout="constrained", facecolor="white")
        axes = figure.subplots()
        for place, norm in enumerate(norms):
            scores = [norm.mean_iou[domain] for domain in domains]
            rows = np.arange(len(domains)) + 0.22 * (place - (len(norms) - 1) / 2)
            low, middle, high = percent([(score.low, score.value, score.high) for score in scores]).T
            reach = np.nan_to_num([middle - low, high - middle])
            colour = PALETTE[place % len(PALETTE)]
            axes.errorbar(middle, rows, xerr=reach, fmt="o", ms=4, lw=1.2, color=colour, label=norm.name)
        constant = percent([study.constant[domain]["mean_iou"] for domain in domains])
        axes.scatter(constant, range(len(domains)), marker="|", s=60, color=BASELINE, label="most frequent class")
        axes.set_yticks(range(len(domains)), domains)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel("mean IoU (%)")
        axes.set_title(f"Norms, {plural(study.num_seeds, 'seed')} each")
        legend_below(axes)
        save(figure, path)


def coloured(numbers: Tensor) -> npt.NDArray[np.float64]:
    """Maps class numbers, (H, W), to colours, (H, W, 3); unlabelled pixels are white."""
    table = np.array([_colour(number) for number in range(256)])
    table[IGNORED] = _NO_CLASS
    coloured_pixels: npt.NDArray[np.float64] = table[numbers.numpy()]
    return coloured_pixels


def _colour(number: int) -> tuple[float, float, float]:
    """The colour map of PASCAL VOC without its first entry, black: the bits go to red, green and blue in turn."""
    red, green, blue = (
        sum((((number + 1) >> (3 * place + channel)) & 1) << (7 - place) for place in range(8)) / 255
        for channel in range(3)
    )
    return red, green, blue
