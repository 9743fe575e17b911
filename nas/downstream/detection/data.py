"""The pictures of a detector: finding them in a folder, checking them, choosing some."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from nas.architecture import fingerprint_json
from nas.data.image_decoding import decode_image
from nas.downstream.detection.annotation_file import Reading, read_annotations
from nas.downstream.detection.annotations import Annotations, Picture
from nas.downstream.detection.settings import DetectionData

YEARS = ("", "2017")
"""Folders and annotation files are called by the split, or as COCO's own with the year behind."""
_MAX_THREADS = 16
_BLOCK = 1024


@dataclass(frozen=True)
class DetectionSet:
    """What a detector is trained and measured on.

    Attributes:
        train: to train on.
        evaluation: to measure on; the same when a detector is to show what it has learnt by heart.
        num_available: training pictures that there are, chosen or not.
    """

    train: Annotations
    evaluation: Annotations
    num_available: int

    @cached_property
    def fingerprint(self) -> str:
        """Equal for the same annotations of the same pictures."""
        return fingerprint_json(
            [
                [each.digest, [picture.id for picture in each.pictures], sum(map(len, each.objects.values()))]
                for each in (self.train, self.evaluation)
            ]
        )


def load_detection_data(data: DetectionData, *, masks: bool, check: bool = True) -> DetectionSet:
    """Finds, reads and checks the pictures and annotations of both splits.

    Args:
        data: where they are and which are wanted.
        masks: whether the masks of the objects are wanted.
        check: whether the image files are looked at; not needed in workers, if who started them has done so.

    Raises:
        ValueError: if anything is missing or not as it must be; names the file and the id.
        OSError: if a file cannot be read.
        RuntimeError: if there are masks and pycocotools is missing.
    """
    if data.root is None:
        raise ValueError("the folder of the pictures must be named with --data, or data.root")
    train = _read_split(Path(data.root), "train", data, masks=masks, check=check)
    if data.num_train is not None and data.num_train > len(train.pictures):
        raise ValueError(
            f"data.num_train must be at most {len(train.pictures)}, the pictures there are, got {data.num_train}"
        )
    chosen = choose_pictures(train, data.num_train, seed=data.subset_seed)
    check_training(chosen)
    measured = chosen
    if data.evaluate == "val":
        measured = _read_split(Path(data.root), "val", data, masks=masks, check=check)
        _check_same_categories(train, measured)
    number = None if data.num_evaluated is None else min(data.num_evaluated, len(measured.pictures))
    return DetectionSet(chosen, choose_pictures(measured, number, seed=data.subset_seed), len(train.pictures))


def has_objects(annotations: Annotations) -> bool:
    """Whether there is anything to be found that is no crowd."""
    return any(not each.is_crowd for objects in annotations.objects.values() for each in objects)


def check_training(annotations: Annotations) -> None:
    """Raises ValueError if there is nothing to be learnt in training pictures."""
    if not has_objects(annotations):
        raise ValueError(f"{annotations.path}: there is no object in the {len(annotations.pictures)} training pictures")


def choose_pictures(annotations: Annotations, number: int | None, *, seed: int) -> Annotations:
    """So many of the pictures with what is in them, in their order; fewer are always a part of more. None: all."""
    if number is None or number >= len(annotations.pictures):
        return annotations
    drawn = np.random.default_rng(seed).permutation(len(annotations.pictures))[:number]
    pictures = tuple(annotations.pictures[place] for place in sorted(drawn))
    objects = {each.id: annotations.objects[each.id] for each in pictures if each.id in annotations.objects}
    return replace(annotations, pictures=pictures, objects=objects)


def _read_split(root: Path, name: str, data: DetectionData, *, masks: bool, check: bool) -> Annotations:
    path, folder = _find_split(root, name)
    reading = Reading(folder, need_masks=masks, drop_bad_objects=data.drop_bad_objects)
    annotations = read_annotations(path, reading, _check_size if check else lambda *_: None)
    if check and data.check_pictures == "decode":
        _decode_all(annotations)
    return annotations


def _find_split(root: Path, name: str) -> tuple[Path, Path]:
    """The annotation file and the folder of the pictures."""
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}")
    for year in YEARS:
        path = root / "annotations" / f"instances_{name}{year}.json"
        if path.is_file():
            folder = next((root / f"{name}{other}" for other in YEARS if (root / f"{name}{other}").is_dir()), None)
            if folder is None:
                raise ValueError(
                    f"{root} must hold the pictures of {path.name} in {name} or {name}2017; there is neither"
                )
            return path, folder
    raise ValueError(f"{root} must hold annotations/instances_{name}.json, or instances_{name}2017.json")


def _check_size(path: Path, picture: Picture) -> None:
    """Reads the head of an image file."""
    try:
        with Image.open(picture.path) as image:
            size = image.size
    except FileNotFoundError:
        raise ValueError(f"{path}, picture {picture.id}: there is no file {picture.path}") from None
    except Exception as error:  # Pillow raises half a dozen types for damaged files
        raise ValueError(f"{path}, picture {picture.id}: {picture.path} cannot be decoded: {error}") from None
    if size != (picture.width, picture.height):
        raise ValueError(
            f"{path}, picture {picture.id}: {picture.path} must have {picture.width} x {picture.height} pixels as the "
            f"annotations say, got {size[0]} x {size[1]}"
        )


def _decode_all(annotations: Annotations) -> None:
    """Decodes all image files to their end."""

    def decode(picture: Picture) -> None:
        try:
            decode_image(picture.path, None)
        except ValueError as error:
            raise ValueError(f"{annotations.path}, picture {picture.id}: {error}") from None

    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as threads:
        for first in range(0, len(annotations.pictures), _BLOCK):
            list(threads.map(decode, annotations.pictures[first : first + _BLOCK]))


def _check_same_categories(train: Annotations, measured: Annotations) -> None:
    ours, theirs = _by_id(train.categories), _by_id(measured.categories)
    if ours != theirs:
        different = next(key for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key))
        raise ValueError(
            f"{measured.path}: its categories must be those of {train.path.name}; category {different} is "
            f"{theirs.get(different)} in place of {ours.get(different)}"
        )


def _by_id(categories: Mapping[int, str]) -> dict[int, str]:
    return dict(sorted(categories.items()))
