"""Training curves: loss and accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from experiments.comparison.figure_style import PALETTE, count_from_left, finish, legend_below, save, style
from nas.training.run import EMA_WEIGHTS, RAW_WEIGHTS, Record


def draw_training(records: Sequence[Record], path: Path, *, title: str) -> None:
    """Draws the curves of a training from one or more records of ``metrics.jsonl`` as PNG or SVG."""
    epochs = [record["epoch"] for record in records]
    marker = "." if len(records) == 1 else None  # one epoch makes no line
    with style():
        figure = Figure(figsize=(8.4, 3.2), layout="constrained", facecolor="white")
        loss, accuracy = figure.subplots(1, 2)
        loss.plot(epochs, [record["loss"] for record in records], color=PALETTE[0], marker=marker)
        finish(loss, f"Loss of {title}", "mean over the training images of an epoch", "loss")
        curves = {"training": [record["accuracy"] for record in records]}
        for name, text in ((RAW_WEIGHTS, "validation"), (EMA_WEIGHTS, "validation, average of weights")):
            if all(name in record["validation"] for record in records):
                curves[text] = [record["validation"][name]["top1"] for record in records]
        for colour, (text, shares) in zip(PALETTE, curves.items(), strict=False):
            accuracy.plot(epochs, [100 * share for share in shares], color=colour, marker=marker, label=text)
        finish(accuracy, "Accuracy", "training: running mean over augmented images", "top-1 (%)")
        for axes in (loss, accuracy):
            count_from_left(axes, "epoch")
        legend_below(accuracy)
    save(figure, path)
