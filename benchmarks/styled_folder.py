"""Writes a folder of images and masks again in another style, as a second domain for `nas segment --test-data`.

    python benchmarks/styled_folder.py FOLDER OUT --shift style --severity 4

Masks stay as they are. Each image is shifted with its own random numbers, which follow from the seed and its place.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from PIL import Image
from torch import from_numpy

from nas.downstream.segmentation.data import read_mask, read_picture
from nas.downstream.segmentation.evaluation import Look
from nas.downstream.segmentation.pairs import MASKS_FOLDER, find_pairs
from nas.shifts.table import SHIFTS


def write_styled(root: Path, out: Path, look: Look) -> int:
    """Writes both splits of a folder to another one under a shift; returns the number of images."""
    pairs = [(split, pair) for split in ("train", "val") for pair in find_pairs(root, split).pairs]
    for index, (split, pair) in enumerate(pairs):
        image = look.apply(from_numpy(read_picture(pair, read_mask(pair.mask))), index)
        for folder in (out / split, out / MASKS_FOLDER / split):
            folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(out / split / f"{pair.image.stem}.png")
        shutil.copyfile(pair.mask, out / MASKS_FOLDER / split / pair.mask.name)
    for name in ("classes.txt", "annotations"):
        if (source := root / name).exists():
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, out / name)
    return len(pairs)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shift", choices=list(SHIFTS), default="style")
    parser.add_argument("--severity", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    number = write_styled(given.folder, given.out, Look(given.shift, given.severity, given.seed))
    print(f"{number} images under {given.shift} of severity {given.severity} in {given.out}")


if __name__ == "__main__":
    main()
