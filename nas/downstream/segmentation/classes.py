"""The classes of a folder: their values in the masks, and their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.downstream.segmentation.settings import PicturesSpec
from nas.files.strict_json import parse_json

IGNORED = 255
"""The number, in place of a class, of pixels that count nowhere."""
NAMES_FILE = "classes.txt"

Counts = npt.NDArray[np.int64]
"""Pixels by value of the mask, of shape (256,)."""


@dataclass(frozen=True, slots=True)
class Classes:
    """What is told apart.

    Attributes:
        values: of the classes in the masks; the place of a value is the number of its class.
        names: likewise.
        unlabelled: the value of what has no class.
        is_part: whether there are more classes in the masks, which count as unlabelled.
    """

    values: tuple[int, ...]
    names: tuple[str, ...]
    unlabelled: int = 0
    is_part: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def table(self) -> npt.NDArray[np.uint8]:
        """The number of the class by value of the mask, `IGNORED` for what has none; of shape (256,)."""
        table = np.full(256, IGNORED, dtype=np.uint8)
        table[list(self.values)] = np.arange(len(self.values))
        return table

    def count(self, counts: Counts) -> Counts:
        """Pixels by class, of pixels by value."""
        return counts[list(self.values)]

    def unknown(self, counts: Counts) -> list[int]:
        """The values with pixels that stand for no class."""
        if self.is_part:
            return []
        known = {*self.values, self.unlabelled}
        return [value for value in np.flatnonzero(counts).tolist() if value not in known]


def choose_classes(root: Path, spec: PicturesSpec, train: Counts, validation: Counts) -> Classes:
    """The classes of a folder, of the values in its masks.

    Where there is a file ``classes.txt``, they are those that it lists, one name a line. Else they are the values that
    occur, named by the categories of COCO's annotations beside the masks where a file has them, by number otherwise.

    Args:
        root: the folder.
        spec: says which value has no class, and how many classes are learned.
        train: pixels by value, of the training masks.
        validation: likewise.

    Raises:
        ValueError: if there are fewer classes than two or than asked for, or the file of names is not valid.
    """
    listed = listed_classes(root, spec)
    if listed is None:
        values = [value for value in np.flatnonzero(train + validation).tolist() if value != spec.unlabelled]
        names = _categories(root)
        listed = Classes(tuple(values), tuple(names.get(value, str(value)) for value in values), spec.unlabelled)
    if len(listed) < 2:
        raise ValueError(f"the masks of {root} must hold at least 2 classes, got {len(listed)}")
    return listed if spec.most_frequent is None else _most_frequent(listed, train, spec.most_frequent, root)


def listed_classes(root: Path, spec: PicturesSpec) -> Classes | None:
    """The classes that ``classes.txt`` lists, None without one: the first is value 1, or 0 if 255 is unlabelled.

    Raises:
        ValueError: if it cannot be read, or names a class twice.
    """
    path = root / NAMES_FILE
    if not path.is_file():
        return None
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path} must name each class once, got {twice[0]!r:.60} more than once")
    if len(names) > IGNORED:
        raise ValueError(f"{path} must name at most {IGNORED} classes, got {len(names)}")
    first = 1 if spec.unlabelled == 0 else 0
    return Classes(tuple(range(first, first + len(names))), tuple(names), spec.unlabelled)


def check_same_names(ours: Classes, root: Path, spec: PicturesSpec) -> None:
    """Raises ValueError if another folder lists other classes in its ``classes.txt``."""
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
    if np.count_nonzero(pixels) < number:
        there = np.count_nonzero(pixels)
        raise ValueError(f"the training masks of {root} must hold most_frequent = {number} classes, got {there}")
    places = sorted(np.argsort(-pixels, kind="stable")[:number].tolist())
    values, names = _at(listed.values, places), _at(listed.names, places)
    return Classes(values, names, listed.unlabelled, is_part=number < len(listed))


def _at(items: Sequence, places: Sequence[int]) -> tuple:  # type: ignore[type-arg]
    return tuple(items[place] for place in places)


def _categories(root: Path) -> Mapping[int, str]:
    """Names by id of the categories in the smallest file of annotations: all files of a data set list the same."""
    paths = sorted(root.glob("annotations/*.json"), key=lambda path: path.stat().st_size)
    for path in paths[:1]:
        try:
            value = parse_json(path.read_bytes())
            categories = value.get("categories", ()) if isinstance(value, dict) else ()
            return {int(each["id"]): str(each["name"]) for each in categories}
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ValueError(f"{path} must list categories with id and name: {error}") from None
    return {}
