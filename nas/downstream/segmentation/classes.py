"""Classes of a folder of masks: their values and names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.downstream.segmentation.settings import SegmentationData
from nas.files.guarded_read import open_regular, read_text
from nas.files.strict_json import parse_json

IGNORED = 255
"""The class number of pixels without a class, which are ignored."""
NAMES_FILE = "classes.txt"

Counts = npt.NDArray[np.int64]
"""Numbers of pixels per value of the mask, (256,), or per class."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes that a segmenter tells apart: their values in masks, and names, by class number.

    Attributes:
        unlabelled: value of pixels without a class.
        is_part: whether masks may hold other classes, which are treated as unlabelled.
    """

    values: tuple[int, ...]
    names: tuple[str, ...]
    unlabelled: int = 0
    is_part: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def table(self) -> npt.NDArray[np.uint8]:
        """Class numbers by value of the mask, (256,); `IGNORED` for values without a class."""
        table = np.full(256, IGNORED, dtype=np.uint8)
        table[list(self.values)] = np.arange(len(self.values))
        return table

    def count(self, counts: Counts) -> Counts:
        """Converts numbers of pixels per value to numbers per class."""
        return counts[list(self.values)]

    def unknown(self, counts: Counts) -> list[int]:
        """Returns the values with pixels that belong to no class."""
        if self.is_part:
            return []
        known = {*self.values, self.unlabelled}
        return [value for value in np.flatnonzero(counts).tolist() if value not in known]


def choose_classes(
    root: Path, spec: SegmentationData, train: Counts, validation: Counts, *, known: Classes | None = None
) -> Classes:
    """Determines the classes of a folder: those of a `known` data set, or of a folder of masks.

    They are listed in ``classes.txt``, one name a line. Without that file they are the values that occur, named by the
    categories of COCO annotations in the folder, or by number. The counts are of pixels per value in the masks.

    Raises:
        ValueError: if there are less than two classes or less than requested, or ``classes.txt`` is not valid.
    """
    listed = known or listed_classes(root, spec)
    if listed is None:
        values = [value for value in np.flatnonzero(train + validation).tolist() if value != spec.unlabelled]
        names = _categories(root)
        listed = Classes(tuple(values), tuple(names.get(value, str(value)) for value in values), spec.unlabelled)
    if len(listed) < 2:
        binary = {*np.flatnonzero(train + validation).tolist()} == {0, IGNORED}
        hint = ". Values 0 and 255 are one class: write 1 for 255 and set data.unlabelled=255" if binary else ""
        raise ValueError(f"the masks of {root} must hold at least 2 classes, got {len(listed)}{hint}")
    return listed if spec.most_frequent is None else _most_frequent(listed, train, spec.most_frequent, root)


def listed_classes(root: Path, spec: SegmentationData) -> Classes | None:
    """Reads ``classes.txt``, whose first class has value 1, or 0 if 255 is unlabelled; None without the file.

    Raises:
        ValueError: if the file cannot be read, has an empty line, or names a class twice.
    """
    path = root / NAMES_FILE
    if not path.is_file():
        return None
    try:
        names = [line.strip() for line in read_text(path).rstrip().splitlines()]
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if "" in names:  # left out, it would shift the names of all values behind it
        raise ValueError(f"{path} must name a class in each line, got nothing in line {names.index('') + 1}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path} must name each class once, got {twice[0]!r:.60} more than once")
    if len(names) > IGNORED:
        raise ValueError(f"{path} must name at most {IGNORED} classes, got {len(names)}")
    first = 1 if spec.unlabelled == 0 else 0
    return Classes(tuple(range(first, first + len(names))), tuple(names), spec.unlabelled)


def check_same_names(ours: Classes, root: Path, spec: SegmentationData) -> None:
    """Raises ValueError if ``classes.txt`` of another folder lists other classes."""
    listed = listed_classes(root, spec)
    if listed is None:
        return
    theirs = dict(zip(listed.values, listed.names, strict=True))
    for value, name in zip(ours.values, ours.names, strict=True):
        if theirs.get(value) != name:
            came = theirs.get(value, "nothing")
            raise ValueError(f"{root / NAMES_FILE} must name value {value} {name!r:.60}, got {came!r:.60}")


def _most_frequent(listed: Classes, train: Counts, number: int, root: Path) -> Classes:
    pixels = listed.count(train)
    if (there := np.count_nonzero(pixels)) < number:
        raise ValueError(f"the training masks of {root} must hold most_frequent = {number} classes, got {there}")
    chosen = sorted(np.argsort(-pixels, kind="stable")[:number].tolist())
    values, names = (tuple(each[place] for place in chosen) for each in (listed.values, listed.names))
    return Classes(values, names, listed.unlabelled, is_part=listed.is_part or number < len(listed))


def _categories(root: Path) -> Mapping[int, str]:
    """Returns category names by id from the smallest annotation file: all files of a data set list the same."""
    path = min(root.glob("annotations/*.json"), key=lambda path: path.stat().st_size, default=None)
    if path is None:
        return {}
    try:
        with open_regular(path) as file:
            value = parse_json(file.read())
        categories = value.get("categories", ()) if isinstance(value, dict) else ()
        return {int(each["id"]): str(each["name"]) for each in categories}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{path} must list categories with id and name: {error}") from None
