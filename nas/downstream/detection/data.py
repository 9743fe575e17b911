"""Loads, checks and selects the images of detectors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np

from nas.architecture import fingerprint_json
from nas.data.formats.orientation import read_size
from nas.data.image_decoding import decode_image, decoding_fault
from nas.data.image_files import composed
from nas.data.report import DataReport
from nas.downstream.detection.annotation_file import Reading, read_annotations
from nas.downstream.detection.annotations import AnnotatedImage, Annotations
from nas.downstream.detection.describe import describe_data
from nas.downstream.detection.keypoints import num_labelled
from nas.downstream.detection.settings import DetectionData
from nas.downstream.detection.voc_annotations import read_voc
from nas.downstream.voc_folder import find_sets, find_years

YEARS = ("", "2017")
"""Suffixes of folders and annotation files: none, or that of COCO's own."""
_MAX_THREADS = 16
_BLOCK = 1024


@dataclass(frozen=True)
class DetectionSet:
    """Selected images to train and evaluate a detector on.

    Attributes:
        num_available: number of training images before the selection.
        report: what is used and left out, and the identity of the images; None if the images have not been checked.
    """

    train: Annotations
    evaluation: Annotations
    num_available: int
    report: DataReport | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Equal for the same annotations of the same images."""
        return fingerprint_json(
            [
                [each.digest, [image.id for image in each.images], sum(map(len, each.objects.values()))]
                for each in (self.train, self.evaluation)
            ]
        )


def load_detection_data(
    data: DetectionData, *, masks: bool, keypoints: bool = False, check: bool = True
) -> DetectionSet:
    """Loads and checks the images and annotations of both splits.

    With `masks` every object must have a mask, with `keypoints` keypoints; then images without any are not trained on.

    Without `check` no image file is opened: workers skip what the process that started them has checked.

    Raises:
        ValueError: if anything is missing or invalid; names the file and the id.
        OSError: if a file cannot be read.
        RuntimeError: if there are masks and pycocotools is missing.
    """
    if data.root is None:
        raise ValueError("the folder of the images must be named with --data, or data.root, got none")
    read = partial(_read_split, Path(data.root), data=data, need=_Need(masks, keypoints), check=check)
    train = read("train")
    if data.num_train is not None and data.num_train > len(train.images):
        raise ValueError(
            f"data.num_train must be at most {len(train.images)}, the number of training images, got {data.num_train}"
        )
    chosen = choose_images(train, data.num_train, seed=data.subset_seed)
    check_training(chosen)
    measured = chosen
    if data.evaluate == "val":
        measured = read("val")
        _check_same_categories(train, measured)
    num_measurable = len(measured.images)
    number = None if data.num_evaluated is None else min(data.num_evaluated, len(measured.images))
    measured = _choose_measured(measured, number, seed=data.subset_seed)
    if not has_objects(measured):
        raise ValueError(f"{measured.path}: there must be at least one object in the images to evaluate, got none")
    if not check:
        return DetectionSet(chosen, measured, len(train.images))
    numbers = {"num_available": len(train.images), "num_measurable": num_measurable}
    return DetectionSet(
        chosen, measured, len(train.images), describe_data(Path(data.root), chosen, measured, **numbers)
    )


def has_objects(annotations: Annotations) -> bool:
    """Whether there is an object that evaluation does not ignore."""
    return any(not each.is_ignored for objects in annotations.objects.values() for each in objects)


def has_trained_objects(annotations: Annotations) -> bool:
    """Whether there is an object to train on."""
    return any(each.is_trained and not each.is_crowd for some in annotations.objects.values() for each in some)


def check_training(annotations: Annotations) -> None:
    """Raises ValueError if training images hold no object but crowds."""
    if not has_trained_objects(annotations):
        raise ValueError(
            f"{annotations.path}: the {len(annotations.images)} training images must hold an object, got none"
        )


def choose_images(annotations: Annotations, number: int | None, *, seed: int) -> Annotations:
    """Selects a number of images at random; a smaller selection is part of a larger one. None selects all."""
    if number is None or number >= len(annotations.images):
        return annotations
    drawn = np.random.default_rng(seed).permutation(len(annotations.images))[:number]
    images = tuple(annotations.images[place] for place in sorted(drawn))
    objects = {each.id: annotations.objects[each.id] for each in images if each.id in annotations.objects}
    return replace(annotations, images=images, objects=objects)


def _choose_measured(annotations: Annotations, number: int | None, *, seed: int) -> Annotations:
    """Like `choose_images`; if the images hold no object to evaluate, the first one that holds some replaces one."""
    chosen = choose_images(annotations, number, seed=seed)
    if has_objects(chosen):
        return chosen
    for image in annotations.images:
        objects = {image.id: annotations.objects.get(image.id, ())}
        if has_objects(found := replace(annotations, images=(image,), objects=objects)):
            kept = chosen.images[:-1]
            objects |= {each.id: annotations.objects[each.id] for each in kept if each.id in annotations.objects}
            return replace(found, images=(*kept, image), objects=objects)
    return chosen


@dataclass(frozen=True, slots=True)
class _Need:
    """What every object must have beside a box."""

    masks: bool
    keypoints: bool


def _read_split(
    root: Path, name: Literal["train", "val"], *, data: DetectionData, need: _Need, check: bool
) -> Annotations:
    reading = Reading(
        root,
        need_masks=need.masks,
        need_keypoints=need.keypoints,
        drop_bad_objects=data.drop_bad_objects,
        is_truth=name == data.evaluate,
    )
    examine = _check_size if check else lambda *_: False
    if _is_voc(root, data):
        chosen = data.train_sets if name == "train" else data.evaluation_sets
        annotations = read_voc(root, find_sets(root, "Main", name, chosen), reading, examine)
    else:
        path, folder = _find_split(root, name, "person_keypoints" if need.keypoints else "instances")
        annotations = read_annotations(path, replace(reading, folder=folder), examine)
    if check and data.check_pictures == "decode":
        _decode_all(annotations)
    return _with_keypoints(annotations) if need.keypoints and name == "train" else annotations


def _with_keypoints(annotations: Annotations) -> Annotations:
    """Leaves out images without a labelled keypoint, as Detectron does in training."""
    labelled = {image for image, some in annotations.objects.items() if any(map(num_labelled, some))}
    images = tuple(image for image in annotations.images if image.id in labelled)
    if not images:
        raise ValueError(f"{annotations.path}: the training images must hold a labelled keypoint, got none")
    if not (missing := len(annotations.images) - len(images)):
        return annotations
    objects = {image: some for image, some in annotations.objects.items() if image in labelled}
    notice = f"{missing:,} training images without a labelled keypoint are not used"
    return replace(annotations, images=images, objects=objects, notices=(*annotations.notices, notice))


def _is_voc(root: Path, data: DetectionData) -> bool:
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}")
    years = find_years(root)
    if data.format == "voc" and not years:
        raise ValueError(f"{root} must be VOCdevkit or hold VOC2007 or another year of Pascal VOC, got neither")
    is_voc = data.format == "voc" or (data.format == "auto" and bool(years))
    if not is_voc and (data.train_sets or data.evaluation_sets):
        raise ValueError(f"data.train_sets and data.evaluation_sets are for Pascal VOC's layout, which {root} has not")
    return is_voc


def _find_split(root: Path, name: str, kind: str) -> tuple[Path, Path]:
    """Returns the annotation file and the folder of the images."""
    paths = [root / "annotations" / f"{kind}_{name}{year}.json" for year in YEARS]
    folders = [root / f"{name}{year}" for year in YEARS]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ValueError(f"{root} must hold annotations/{kind}_{name}.json, or {kind}_{name}2017.json")
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if folder is None:
        raise ValueError(f"{root} must hold the images of {path.name} in {name} or {name}2017, got neither")
    return path, folder


def _check_size(path: Path, image: AnnotatedImage) -> bool:
    """Reads the header of an image file; returns whether its annotations are of the picture as stored only."""
    try:
        size, as_stored = read_size(image.path, (image.width, image.height))
    except FileNotFoundError:
        raise ValueError(f"{path}, image {image.id}: there is no file {image.path}") from None
    except Exception as error:  # Pillow raises half a dozen types for damaged files
        raise ValueError(f"{path}, image {image.id}: {image.path} cannot be decoded: {decoding_fault(error)}") from None
    if size != (image.width, image.height):
        raise ValueError(
            f"{path}, image {image.id}: {image.path} must have {image.width} x {image.height} pixels as the "
            f"annotations say, got {size[0]} x {size[1]}"
        )
    return as_stored


def _decode_all(annotations: Annotations) -> None:
    """Decodes all image files completely."""

    def decode(image: AnnotatedImage) -> None:
        try:
            decode_image(image.path, None, annotated=(image.width, image.height))
        except ValueError as error:
            raise ValueError(f"{annotations.path}, image {image.id}: {error}") from None

    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as threads:
        for first in range(0, len(annotations.images), _BLOCK):
            list(threads.map(decode, annotations.images[first : first + _BLOCK]))


def _composed(categories: Mapping[int, str]) -> dict[int, str]:
    return {number: composed(name) for number, name in categories.items()}


def _check_same_categories(train: Annotations, measured: Annotations) -> None:
    ours, theirs = train.categories, measured.categories
    if _composed(ours) != _composed(theirs):
        different = next(key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key))
        raise ValueError(
            f"{measured.path} must have the categories of {train.path.name}: category {different} must be "
            f"{ours.get(different)}, got {theirs.get(different)}"
        )
