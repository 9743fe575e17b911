"""Images and the objects in them, as an annotation file describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.data.report import LeftOut


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
        is_trained: whether it may be trained on; an object whose box is empty is evaluation truth only.
        keypoints: x, y and visibility of each keypoint, see `nas.downstream.detection.keypoints`; empty if not read.
        is_difficult: marked as difficult in Pascal VOC: not trained on, and ignored in evaluation.
    """

    id: int
    image: int
    category: int
    box: tuple[float, float, float, float]
    area: float
    is_crowd: bool
    mask: bytes | None = None
    is_trained: bool = True
    is_difficult: bool = False
    keypoints: tuple[float, ...] = ()

    @property
    def is_ignored(self) -> bool:
        """Whether evaluation ignores it: neither a detection nor a miss of it counts."""
        return self.is_crowd or self.is_difficult


@dataclass(frozen=True, slots=True)
class Annotations:
    """The contents of an annotation file, in its order.

    Attributes:
        objects: by id of the image; images without objects are missing.
        categories: names by id.
        digest: SHA-256 of the file.
        folder: of the images.
        listed: paths of all images in the folder, even if only some are selected; empty if the folder holds others too.
        left_out: objects that are not used, or not as they are.
        notices: sentences on what is unusual in the file.
        eleven_points: whether Pascal VOC's average precision has eleven points; None if the images are not VOC's.
    """

    path: Path
    images: tuple[AnnotatedImage, ...]
    objects: Mapping[int, tuple[Annotation, ...]]
    categories: Mapping[int, str]
    digest: str
    folder: Path = Path()
    listed: frozenset[str] = frozenset()
    left_out: tuple[LeftOut, ...] = ()
    notices: tuple[str, ...] = ()
    eleven_points: bool | None = None

    @property
    def num_objects(self) -> int:
        """Number of objects, crowds included."""
        return sum(len(each) for each in self.objects.values())

    @property
    def labels(self) -> dict[int, int]:
        """The class number of each category id, from 1; 0 is the background."""
        return {category: label for label, category in enumerate(self.categories, start=1)}
