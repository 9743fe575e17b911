"""Compares random resized crops of whole photographs with those of center squares that were decoded once, at 64 pixels.

Both train the same network for the same number of epochs on all training photographs and are tested on ``val``. Each
seed gives initial weights, order and augmentation; the accuracy is that after the last epoch.

Run it with::

    python benchmarks/whole_photographs.py --data DIR [--epochs 8] [--seeds 3] [--out FILE]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.load import load_data
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.training.evaluation import evaluate
from nas.training.initial import build_initial
from nas.training.loop import start_training

SIZE, SHORTER_SIDE = 64, 73
CELL = Cell((Block(Edge(0, "conv_1x1"), Edge(1, "conv_3x3")), Block(Edge(1, "conv_1x1"), Edge(2, "conv_3x3"))))
WAYS = {"whole photographs": True, "center squares": False}


def scores(data: Path, epochs: int, seeds: int) -> Iterator[tuple[str, int, float, float]]:
    """Yields way, seed, top-1 accuracy and training seconds."""
    for seed in range(seeds):
        for way, streamed in WAYS.items():
            yield way, seed, *score(data, epochs, seed, streamed=streamed)


def score(data: Path, epochs: int, seed: int, *, streamed: bool) -> tuple[float, float]:
    recipe = TrainRecipe(
        epochs=epochs,
        batch_size=32,
        learning_rate=0.05,
        label_smoothing=0.1,
        crop_padding=0,
        min_crop_area=0.08,
        color_jitter=0.4,
        test_crop=SIZE,
        device="cpu",
    )
    images = load_data(
        DataSpec(
            "image_folder",
            str(data),
            image_size=SHORTER_SIDE,
            validation_fraction=0.02,
            streamed=streamed,
            statistics="imagenet",
        )
    )
    spec = NetworkSpec(
        image_size=SIZE,
        num_classes=len(images.class_names),
        num_filters=16,
        num_repeats=1,
        stem="imagenet",
        stem_filters=16,
        num_stem_cells=1,
    )
    network = build_initial(Architecture(CELL, CELL), spec, recipe, seed=seed)
    began = time.perf_counter()
    with start_training(network, images, recipe, seed=seed, image_size=SIZE) as training:
        for _ in range(epochs):
            training.run_epoch()
    seconds = time.perf_counter() - began
    return evaluate(network, images.load_test(), images, recipe, crop=SIZE).top1, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/<class>/ and val/<class>/")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAS_CACHE"] = folder
        for way, seed, top1, seconds in scores(options.data, options.epochs, options.seeds):
            found[way].append(top1)
            print(f"{way}, seed {seed}: {top1:.2%}, {seconds:.0f} s", flush=True)
    lines = ["| crops of | top-1 of each seed | mean |", "|---|---|---:|"]
    for way, values in found.items():
        lines.append(f"| {way} | {', '.join(f'{each:.1%}' for each in values)} | {statistics.mean(values):.1%} |")
    print("\n".join(lines))
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
