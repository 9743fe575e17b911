"""Folders of Pascal VOC as they are downloaded: years, image sets and classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nas.files.guarded_read import read_text

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The twenty classes, in the order of the devkit; masks hold 1 to 20."""
IMAGES_FOLDER, BOXES_FOLDER, SETS_FOLDER = "JPEGImages", "Annotations", "ImageSets"
_DEVKIT = "VOCdevkit"
_YEAR = "VOC"
_FIRST = "VOC2007"

Task = Literal["Main", "Segmentation"]


@dataclass(frozen=True, slots=True)
class VocSet:
    """One image set: the folder of its year, its name, and the names of its images without suffix."""

    folder: Path
    name: str
    images: tuple[str, ...]

    @property
    def label(self) -> str:
        """The year and the name, such as ``VOC2007/trainval``."""
        return f"{self.folder.name}/{self.name}"


def find_years(root: Path) -> dict[str, Path]:
    """Returns the folders of the years by name: the folder itself, those in it, or those in its ``VOCdevkit``."""
    for folder in (root, root / _DEVKIT):
        if _is_year(folder):
            return {folder.name: folder}
        if folder.is_dir() and (years := {each.name: each for each in sorted(folder.iterdir()) if _is_year(each)}):
            return years
    return {}


def find_sets(root: Path, task: Task, split: Literal["train", "val"], chosen: tuple[str, ...] | None) -> list[VocSet]:
    """Returns the image sets of a split.

    Args:
        root: see `find_years`.
        task: ``Main`` lists the images with boxes, ``Segmentation`` those with masks.
        split: ``train`` or ``val``.
        chosen: sets such as ``VOC2007/trainval``. None takes the usual ones. For masks these are ``train`` and ``val``
            of the last year. For boxes, where there is VOC2007/test, they are ``trainval`` of all years to train on
            and that test set to evaluate on, and elsewhere ``train`` and ``val`` of all years.

    Raises:
        ValueError: if a set is missing or empty, or a line of its file is not the name of an image.
    """
    years = find_years(root)
    return [_read_set(root, years, task, label) for label in chosen or _usual(years, task, split)]


def is_eleven_points(sets: list[VocSet]) -> bool:
    """Whether average precision is by definition that of 2007, with eleven points."""
    return all(each.folder.name <= _FIRST for each in sets)


def _usual(years: dict[str, Path], task: Task, split: str) -> Iterator[str]:
    if task == "Segmentation":
        yield f"{max(years)}/{split}"
    elif _FIRST in years and (years[_FIRST] / SETS_FOLDER / task / "test.txt").is_file():
        yield from [f"{name}/trainval" for name in years] if split == "train" else [f"{_FIRST}/test"]
    else:
        yield from (f"{name}/{split}" for name in years)


def _read_set(root: Path, years: dict[str, Path], task: Task, label: str) -> VocSet:
    year, _, name = label.partition("/")
    if year not in years or not name.isalnum():
        raise ValueError(f"an image set of {root} must be YEAR/NAME with YEAR of {', '.join(years)}, got {label!r:.60}")
    path = years[year] / SETS_FOLDER / task / f"{name}.txt"
    try:
        lines = read_text(path).split("\n")
    except FileNotFoundError:
        raise ValueError(f"{root} must hold {path.relative_to(root)} for the set {label}, got no such file") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    images = tuple(line.split()[0] for line in lines if line.strip())
    if bad := next((each for each in images if not each.replace("_", "").isalnum()), None):
        raise ValueError(f"{path} must name images without suffix, one a line, got {bad!r:.60}")
    if not images or len({*images}) != len(images):
        raise ValueError(f"{path} must name one or more images, each once, got {len(images)} lines")
    return VocSet(years[year], name, images)


def _is_year(folder: Path) -> bool:
    return folder.name.startswith(_YEAR) and all((folder / each).is_dir() for each in (IMAGES_FOLDER, SETS_FOLDER))
