"""Measures images per CPU-second of the training pipeline of ImageNet against torchvision's and bare decoding.

Photographs of a folder ``train/<class>/`` are brought to 500x375 pixels and encoded again, then read by:

- bare decoding: Pillow, all pixels of the photograph, nothing else;
- torchvision's reference: ImageFolder, Pillow, `transforms.v2` (random resized crop to 224, flip, color jitter 0.4,
  normalization) and a DataLoader;
- this package: `nas.streaming.batches.StreamedBatches` with the same settings.

CPU time is that of the process and its loaders, with what each does once at its start; ways are interleaved, and
medians of rounds reported. The difference of crops is the mean over pixels between both for equal crop boxes.

Run it with::

    python benchmarks/photographs.py --data DIR [--quick] [--photographs 320] [--epochs 3] [--rounds 3] [--out FILE]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from nas.data.crop_decoding import decode_crop
from nas.data.data_set import IMAGENET_MEAN, IMAGENET_STD
from nas.data.load import load_data
from nas.fidelity import DataSpec, TrainRecipe
from nas.streaming.batches import StreamedBatches
from nas.streaming.crops import ASPECTS, resized_box

SIZE, BATCH_SIZE, STORED, QUALITY = 224, 16, (500, 375), 90
GOAL = 1.8


def encode_again(data: Path, root: Path, most: int) -> list[Path]:
    """Writes photographs of one size to ``root/train``; returns their paths."""
    files = sorted((data / "train").glob("*/*"))
    for file in files[:: max(1, len(files) // most)][:most]:
        path = root / "train" / file.parent.name / f"{file.stem}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(file) as image:
            image.convert("RGB").resize(STORED, Image.Resampling.BICUBIC).save(path, quality=QUALITY)
    return sorted((root / "train").glob("*/*"))


def decode_only(paths: Sequence[Path]) -> int:
    for path in paths:
        with Image.open(path) as image:
            image.convert("RGB")
    return len(paths)


def count(batches: Iterable[Sequence[Tensor]]) -> int:
    return sum(len(batch[0]) for batch in batches)


def reference(root: Path, num_loaders: int, epochs: int) -> int:
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, scale=(0.08, 1), ratio=ASPECTS, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.4, 0.4, 0.4),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    data = ImageFolder(root / "train", transform)
    loader = DataLoader(
        data, BATCH_SIZE, shuffle=True, num_workers=num_loaders, drop_last=True, persistent_workers=num_loaders > 0
    )
    return sum(count(loader) for _ in range(epochs))


def streamed(root: Path, num_loaders: int, epochs: int) -> int:
    recipe = TrainRecipe(
        batch_size=BATCH_SIZE, min_crop_area=0.08, flip=True, color_jitter=0.4, num_loaders=num_loaders
    )
    spec = DataSpec("image_folder", str(root), image_size=256, streamed=True, statistics="imagenet")
    data = load_data(spec)
    batches = StreamedBatches(data.train, data, recipe, size=SIZE, seed=0, device=torch.device("cpu"))
    return sum(count(batches.load(*batch) for batch in batches.epoch(epoch)) for epoch in range(epochs))


def cpu_milliseconds(work: Callable[[], int]) -> float:
    """Returns the CPU time per image, in a process of its own, whose loaders have ended."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        before = _cpu_seconds()
        number = work()
        os.write(write, f"{(_cpu_seconds() - before) / number * 1e3}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    os.waitpid(child, 0)
    return float(text)


def _cpu_seconds() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def measure(root: Path, paths: Sequence[Path], rounds: int, epochs: int) -> dict[str, float]:
    """Returns medians of CPU milliseconds per image."""
    ways: dict[str, Callable[[], int]] = {"bare decoding": lambda: decode_only(paths)}
    for loaders in (0, 2):
        where = "in the process" if loaders == 0 else f"{loaders} loaders"
        ways[f"torchvision, {where}"] = lambda loaders=loaders: reference(root, loaders, epochs)
        ways[f"streamed, {where}"] = lambda loaders=loaders: streamed(root, loaders, epochs)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            times[name].append(cpu_milliseconds(work))
            print(f"{name}: {times[name][-1]:.2f} ms", file=sys.stderr, flush=True)
    return {name: statistics.median(values) for name, values in times.items()}


def crop_difference(paths: Sequence[Path]) -> float:
    """Returns the mean difference in gray levels from torchvision's crops of the same boxes."""
    generator, differences = np.random.default_rng(0), []
    for path in paths:
        box = resized_box(*STORED, generator, min_area=0.08)
        with Image.open(path) as image:
            area = (int(box.top), int(box.left), int(box.height), int(box.width))
            theirs = v2.functional.resized_crop(image.convert("RGB"), *area, [SIZE, SIZE], antialias=True)
        ours = decode_crop(path, lambda *_, box=box: box, SIZE)
        differences.append(np.abs(ours.astype(int) - np.asarray(theirs).transpose(2, 0, 1)).mean())
    return float(np.mean(differences))


def report(times: dict[str, float], difference: float) -> str:
    lines = ["| pipeline | CPU ms per image | images per CPU-second | times torchvision's |", "|---|---:|---:|---:|"]
    for name, value in times.items():
        against = times.get(f"torchvision, {name.partition(', ')[2]}")
        ratio = f"{against / value:.2f}" if against else ""
        lines.append(f"| {name} | {value:.2f} | {1e3 / value:,.0f} | {ratio} |")
    own = times["streamed, in the process"]
    return "\n".join(
        [
            *lines,
            "",
            f"Bare decoding takes {times['bare decoding'] / own:.0%} of the CPU time of the streamed pipeline. Crops "
            f"differ from torchvision's by {difference:.2f} gray levels on average. Goal: {GOAL} times torchvision's.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/<class>/<photograph>")
    parser.add_argument("--quick", action="store_true", help="fewer photographs and rounds")
    parser.add_argument("--photographs", type=int, default=320)
    parser.add_argument("--epochs", type=int, default=3, help="the more, the less the start of processes counts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="also write a report to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAS_CACHE"] = f"{folder}/cache"
        root = Path(folder)
        paths = encode_again(options.data, root, 32 if options.quick else options.photographs)
        text = report(
            measure(root, paths, *((2, 1) if options.quick else (options.rounds, options.epochs))),
            crop_difference(paths),
        )
    print(text)
    if options.out is not None:
        head = (
            f"# Streamed photographs\n\nImageNet photographs brought to {STORED[0]}x{STORED[1]} pixels (JPEG quality "
            f"{QUALITY}); random resized crop to {SIZE} pixels, flip, color jitter, normalization; one thread, medians "
            f"of interleaved rounds, torch {torch.__version__}, {platform.machine()}.\n\n"
            f"    python benchmarks/photographs.py --data DIR --photographs {options.photographs} "
            f"--epochs {options.epochs} --rounds {options.rounds}\n\n"
        )
        options.out.write_text(head + text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
