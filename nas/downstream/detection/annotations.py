"""Images and the objects in them, as an annotation file describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An annotated image: its id, file, and size in pixels."""

    id: int
    path: Path
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """An object in an image.

    Attributes:
        image: id of its image.
        category: id of its category.
        box: x, y, width and height in pixels.
        area: in pixels, which decides whether the object is small, medium or large.
        is_crowd: whether it is a group of objects, which is not trained on and ignored in evaluation.
        mask: compressed run lengths; None without a mask.
    """

    id: int
    image: int
    category: int
    box: tuple[float, float, float, float]
    area: float
    is_crowd: bool
    mask: bytes | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """The contents of an annotation file, in its order.

    Attributes:
        objects: by id of the image; images without objects are missing.
        categories: names by id.
        digest: SHA-256 of the file.
    """

    path: Path
    images: tuple[AnnotatedImage, ...]
    objects: Mapping[int, tuple[Annotation, ...]]
    categories: Mapping[int, str]
    digest: str

    @property
    def labels(self) -> dict[int, int]:
        """The class number of each category id, from 1; 0 is the background."""
        return {category: label for label, category in enumerate(self.categories, start=1)}
