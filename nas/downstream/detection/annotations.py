"""Pictures and the objects in them, as an annotation file describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the annotations describe it.

    Attributes:
        id: in the file.
        path: of the image file.
        width: in pixels.
        height: likewise.
    """

    id: int
    path: Path
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """An object in a picture.

    Attributes:
        id: in the file.
        picture: id of the picture.
        category: id of the category.
        box: x, y, width and height in pixels.
        area: of the object in pixels, by which it counts as small, medium or large.
        is_crowd: whether it is a group of objects: not trained on, and what is found in it counts neither way.
        mask: compressed run lengths; None without one.
    """

    id: int
    picture: int
    category: int
    box: tuple[float, float, float, float]
    area: float
    is_crowd: bool
    mask: bytes | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """All that an annotation file says.

    Attributes:
        path: of the file.
        pictures: in its order.
        objects: by id of the picture, in its order; pictures without any are missing.
        categories: names by id, in its order. The ids need not be without gaps.
        digest: of the file's contents.
    """

    path: Path
    pictures: tuple[Picture, ...]
    objects: Mapping[int, tuple[Annotation, ...]]
    categories: Mapping[int, str]
    digest: str

    @property
    def labels(self) -> dict[int, int]:
        """The classifier's output for each category id: from 1, 0 being the background."""
        return {category: label for label, category in enumerate(self.categories, start=1)}
