"""Measures augmentation of 32x32 images per CPU-second: whole batches as tensors against one image at a time.

The baseline is torchvision's pipeline: a data set of PIL images, RandomCrop(32, padding=4), RandomHorizontalFlip,
ToTensor and Normalize in a DataLoader. Both run in turn in this process, with one thread and the same images; medians
of CPU time are reported.

Run it with::

    python benchmarks/augment.py [--quick] [--json] [--out results/augment.md]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nas.data.data_set import DataSet, Split
from nas.fidelity import TrainRecipe
from nas.training.augmentation import ImageSource, augmented_batch, shuffled_batches

BATCH_SIZE = 64
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
GOAL = 20


def random_images(num_images: int) -> DataSet:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (num_images, 3, 32, 32), dtype=np.uint8)
    split = Split(images, generator.integers(0, 10, num_images))
    return DataSet(split, split, lambda: split, tuple("abcdefghij"), MEAN, STD)


def per_image_batches(data: DataSet) -> Callable[[], Iterable[Tensor]]:
    """The usual pipeline: PIL images, a chain of transforms, a DataLoader without worker processes."""
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),  # type: ignore[no-untyped-call]
            transforms.RandomHorizontalFlip(),  # type: ignore[no-untyped-call]
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),  # type: ignore[no-untyped-call]
        ]
    )
    pixels = np.ascontiguousarray(data.train.images.transpose(0, 2, 3, 1))

    class PilImages(Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return len(pixels)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            return transform(Image.fromarray(pixels[index])), int(data.train.labels[index])

    loader = DataLoader(PilImages(), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    return lambda: (images for images, _ in loader)


def whole_batches(data: DataSet, *, channels_last: bool) -> Callable[[], Iterable[Tensor]]:
    """The pipeline of this package."""
    recipe = TrainRecipe(batch_size=BATCH_SIZE)
    generator = torch.Generator().manual_seed(0)
    source = ImageSource(
        data.train, data, padding=recipe.crop_padding, device=torch.device("cpu"), channels_last=channels_last
    )
    return lambda: (
        augmented_batch(source, indices, recipe, generator)
        for indices in shuffled_batches(len(source), BATCH_SIZE, generator)
    )


def cpu_microseconds(batches: Callable[[], Iterable[Tensor]], *, passes: int) -> float:
    """Returns the CPU time per image."""
    started, num_images = time.process_time(), 0
    for _ in range(passes):
        for images in batches():
            num_images += len(images)
    return (time.process_time() - started) / num_images * 1e6


def measure(*, num_images: int, rounds: int) -> dict[str, float]:
    """Returns medians over interleaved rounds, in microseconds of CPU time per image."""
    data = random_images(num_images)
    ways = {
        "per image: PIL, torchvision, DataLoader": (per_image_batches(data), 1),
        "whole batches, channels last": (whole_batches(data, channels_last=True), 10),
        "whole batches, channels first": (whole_batches(data, channels_last=False), 10),
    }
    for batches, _ in ways.values():
        next(iter(batches()))  # warm up
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (batches, passes) in ways.items():
            times[name].append(cpu_microseconds(batches, passes=passes))
    return {name: statistics.median(values) for name, values in times.items()}


def table(microseconds: dict[str, float]) -> str:
    usual = next(iter(microseconds.values()))
    lines = ["| augmentation | images per CPU-second | times as many |", "|---|---:|---:|"]
    lines += [f"| {name} | {1e6 / value:,.0f} | {usual / value:.1f} |" for name, value in microseconds.items()]
    return "\n".join(lines)


def report(text: str, command: str) -> str:
    return (
        "# Augmentation of batches\n\n"
        f"Crop (padding 4), flip and normalization of 32x32 colour images in batches of {BATCH_SIZE}: one thread, "
        f"medians of interleaved rounds, torch {torch.__version__}, {platform.machine()}. Goal: {GOAL} times as "
        f"many images per CPU-second as the usual pipeline.\n\n    {command}\n\n{text}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer images and rounds, to check that it runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    microseconds = measure(num_images=640 if options.quick else 5120, rounds=2 if options.quick else 7)
    text = table(microseconds)
    if options.json:
        print(json.dumps({"microseconds_per_image": microseconds}))
    else:
        print(text)
    if options.out is not None:
        options.out.write_text(report(text, "python benchmarks/augment.py --out results/augment.md"), encoding="utf-8")


if __name__ == "__main__":
    main()
