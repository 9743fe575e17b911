"""Loads and checks the images and masks of segmenters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from nas.data.image_decoding import decode_image
from nas.downstream.segmentation.classes import Classes, Counts, check_same_names, choose_classes
from nas.downstream.segmentation.settings import SegmentationData

MASKS_FOLDER = "semantic"
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_MAX_THREADS = 16


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of an image and its mask."""

    image: Path
    mask: Path


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationSplit:
    """Images with masks, in the order of their names, and the numbers of pixels per value of the masks."""

    pairs: tuple[Pair, ...]
    counts: Counts

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationFolder:
    """Images to train and evaluate a segmenter on, and the classes to learn."""

    train: SegmentationSplit
    validation: SegmentationSplit
    classes: Classes


def read_folder(root: Path, spec: SegmentationData) -> SegmentationFolder:
    """Loads both splits of a folder, see `SegmentationData.root`, decodes every file, and determines the classes.

    Raises:
        ValueError: if there are no images, an image has no mask or one of another size, a file cannot be decoded, or a
            mask holds an unknown value; names the first such file.
    """
    train, per_train = _read_split(root, "train")
    validation, per_validation = _read_split(root, "val")
    classes = choose_classes(root, spec, train.counts, validation.counts)
    for split, each in ((train, per_train), (validation, per_validation)):
        _check_values(split, each, classes)
    return SegmentationFolder(train, validation, classes)


def read_test_split(root: Path, spec: SegmentationData, classes: Classes) -> SegmentationSplit:
    """Loads ``val`` of another folder to evaluate a trained network of these classes on.

    Raises:
        ValueError: see `read_folder`; also if the folder has other class names.
    """
    check_same_names(classes, root, spec)
    split, per_mask = _read_split(root, "val")
    _check_values(split, per_mask, classes)
    return split


def read_mask(path: Path) -> npt.NDArray[np.uint8]:
    """Decodes a mask to uint8 of shape (height, width).

    Raises:
        ValueError: if it cannot be decoded, or does not have one channel of 8 bits.
    """
    try:
        with Image.open(path) as image:
            mode, mask = image.mode, np.asarray(image)
    except Exception as error:  # Pillow raises half a dozen types for damaged files
        raise ValueError(f"{path} is not a mask that can be decoded: {error}") from None
    if mode not in {"L", "P"}:
        raise ValueError(f"{path} must be a mask of one channel of 8 bits (L or P), got {mode}")
    return mask


def _read_split(root: Path, name: str) -> tuple[SegmentationSplit, list[Counts]]:
    pairs = _find_pairs(root, name)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as threads:
        per_mask = list(threads.map(_count_checked, pairs))
    return SegmentationSplit(pairs, np.sum(per_mask, axis=0)), per_mask


def _find_pairs(root: Path, name: str) -> tuple[Pair, ...]:
    folder = root / name
    masks = root / MASKS_FOLDER / name
    if not folder.is_dir():
        raise ValueError(f"there must be a folder {folder} of images and a folder {masks} of masks")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not images:
        raise ValueError(f"{folder} must hold images ({', '.join(sorted(_SUFFIXES))}), got none")
    pairs = tuple(Pair(image, masks / f"{image.stem}.png") for image in images)
    for pair in pairs:
        if not pair.mask.is_file():
            raise ValueError(f"{pair.image} must have a mask {pair.mask}, got none")
    return pairs


def _count_checked(pair: Pair) -> Counts:
    mask = read_mask(pair.mask)
    _, height, width = decode_image(pair.image, None).shape
    if mask.shape != (height, width):
        came = f"{mask.shape[1]} x {mask.shape[0]}"
        raise ValueError(f"{pair.mask} must be {width} x {height} pixels as its image is, got {came}")
    return np.bincount(mask.ravel(), minlength=256)


def _check_values(split: SegmentationSplit, per_mask: Sequence[Counts], classes: Classes) -> None:
    for pair, counts in zip(split.pairs, per_mask, strict=True):
        if unknown := classes.unknown(counts):
            known = f"{min(classes.values)}..{max(classes.values)} of {len(classes)} classes and {classes.unlabelled}"
            raise ValueError(f"{pair.mask} must hold the values {known} (unlabelled), got {unknown[0]}")
    if not classes.count(split.counts).any():
        raise ValueError(f"the masks of {split.pairs[0].mask.parent} must hold pixels of the classes, got none")
