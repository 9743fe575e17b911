"""Figures of a detector: curves of its training, and detections beside the annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.comparison.figure_style import PALETTE, count_from_left, finish, legend_below, percent, save, style
from nas.downstream.detection.annotations import AnnotatedImage, Annotations
from nas.downstream.detection.checkpoint import load_detector
from nas.downstream.detection.evaluation import find_objects
from nas.downstream.detection.images import ImageStore
from nas.downstream.detection.masks import decode_mask
from nas.downstream.recipe import DenseRecipe
from nas.training.device import choose_device
from nas.training.run import Record

NUM_PICTURES = 4
MIN_SCORE = 0.3
_MASK_OPACITY = 0.35


def draw_curves(records: Sequence[Record], path: Path, *, title: str) -> None:
    """Draws losses and average precision of the records of `metrics.jsonl`, at least one, as PNG or SVG."""
    with style():
        figure = Figure(figsize=(8.4, 3.2), layout="constrained", facecolor="white")
        losses, precision = figure.subplots(1, 2)
        names = [name for name in records[0] if name.startswith("loss")]
        for colour, name in zip(PALETTE, names, strict=False):
            values = [record[name] for record in records]
            label = "all" if name == "loss" else name.removeprefix("loss_").replace("_", " ")
            losses.plot([record["iteration"] for record in records], values, color=colour, label=label)
        finish(losses, f"Losses of {title}", "mean since the previous record", "loss")
        _draw_precision(precision, [record for record in records if "evaluation" in record])
        for axes in (losses, precision):
            count_from_left(axes, "iteration")
            legend_below(axes)
    save(figure, path)


def draw_pictures(detector: Path, annotations: Annotations, folder: Path, *, recipe: DenseRecipe) -> list[Path]:
    """Draws the detections in the first `NUM_PICTURES` images with an object beside their annotation.

    Returns the files, named like the images; the folder is made if missing.
    """
    network, _ = load_detector(detector)
    network.to(choose_device(recipe))
    chosen = [each for each in annotations.images if each.id in annotations.objects][:NUM_PICTURES]
    store = ImageStore(0)
    categories = tuple(annotations.categories)
    found = find_objects(network, chosen, store, recipe, categories=categories)
    folder.mkdir(exist_ok=True)
    paths = []
    for picture in chosen:
        pixels = store.image(picture).permute(1, 2, 0).numpy()
        there = [_true_object(each.box, each.category, each.mask) for each in annotations.objects[picture.id]]
        given = [each for each in found if each["image_id"] == picture.id and each["score"] >= MIN_SCORE]
        paths.append(folder / f"{picture.path.stem}.png")
        _draw_pair(picture, pixels, (there, given), annotations.categories, paths[-1])
    return paths


def _true_object(box: Sequence[float], category: int, mask: bytes | None) -> dict[str, Any]:
    """An annotated object in the form of a detection."""
    return {"bbox": box, "category_id": category, **({} if mask is None else {"counts": mask.decode("ascii")})}


def _draw_pair(
    picture: AnnotatedImage,
    pixels: Any,  # noqa: ANN401 - an array
    objects: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    names: Mapping[int, str],
    path: Path,
) -> None:
    with style():
        figure = Figure(figsize=(8.4, 4.4 * picture.height / picture.width), layout="constrained", facecolor="white")
        panels = figure.subplots(1, 2)
        for axes, title, there in zip(panels, ("annotated", "found"), objects, strict=True):
            axes.imshow(pixels)
            axes.set_axis_off()
            axes.set_title(f"{title}: {len(there)}")
            for each in there:
                _draw_object(axes, each, picture, names)
    save(figure, path)


def _draw_object(axes: Axes, each: Mapping[str, Any], picture: AnnotatedImage, names: Mapping[int, str]) -> None:
    colour = PALETTE[each["category_id"] % len(PALETTE)]
    x, y, width, height = each["bbox"]
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=1.2))
    score = f" {each['score']:.2f}" if "score" in each else ""
    background = {"facecolor": colour, "edgecolor": "none", "pad": 0.8}
    axes.text(x, y, f"{names[each['category_id']]}{score}", fontsize=5, color="white", va="bottom", bbox=background)
    if "counts" in each:
        mask = decode_mask(each["counts"].encode("ascii"), picture.height, picture.width)
        layer = np.zeros((picture.height, picture.width, 4))
        layer[mask > 0] = to_rgba(colour, _MASK_OPACITY)
        axes.imshow(layer)


def _draw_precision(axes: Axes, records: Sequence[Record]) -> None:
    iterations = [record["iteration"] for record in records]
    colours = iter(PALETTE)
    for kind in ("box", "mask"):
        for key in ("ap", "ap50"):
            if all(kind in record["evaluation"] for record in records):
                shares = percent([record["evaluation"][kind][key] for record in records])
                axes.plot(iterations, shares, marker=".", color=next(colours), label=f"{kind} {key.upper()}")
    axes.set_ylim(bottom=0)
    finish(axes, "Average precision", "mean over IoU thresholds of 0.5 to 0.95, and at 0.5", "%")
