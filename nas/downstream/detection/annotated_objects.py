"""Reads the objects of an annotation file: what is used of them, what is corrected, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from nas.data.report import LeftOut, LeftOutTally
from nas.downstream.detection.annotations import AnnotatedImage, Annotation
from nas.downstream.detection.keypoints import read_keypoints
from nas.downstream.detection.masks import encode_segmentation

TOLERANCE = 1.0
"""Pixels by which COCO's own boxes exceed the image; they are kept as they are."""
MIN_SIDE = 0.01
"""Of a box, in pixels; smaller ones are empty in single precision."""
MAX_LENGTH = 65_535
CLIPPED_MASKS = "masks clipped to their image"
CLIPPED = "boxes clipped to their image"
NOT_TRAINED = "empty objects evaluated but not trained on"
NOT_IGNORED = "objects used although they are marked ignore"
DROPPED = "objects dropped by drop_bad_objects"

_Coordinate = Annotated[float, Field(strict=True, ge=-MAX_LENGTH, le=MAX_LENGTH)]


def _crowd(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Converts the forms in which programs write 0 and 1."""
    if value is None or isinstance(value, bool):
        return int(bool(value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Shape(TypedDict):
    bbox: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate]
    area: NotRequired[Annotated[float, Field(strict=True, ge=0, le=MAX_LENGTH**2)] | None]
    iscrowd: NotRequired[Annotated[int, Field(strict=True, ge=0, le=1), BeforeValidator(_crowd)]]


_SHAPE = TypeAdapter(_Shape)
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """How objects are read.

    Attributes:
        folder: of the images.
        need_masks: whether every object must have a mask; otherwise masks are not looked at.
        need_keypoints: whether every object but crowds must have keypoints; otherwise they are not looked at.
        drop_bad_objects: whether objects that cannot be trained on are left out; otherwise they are errors.
        is_truth: whether detectors are evaluated on these objects: of them none is dropped.
    """

    folder: Path
    need_masks: bool = False
    need_keypoints: bool = False
    drop_bad_objects: bool = False
    is_truth: bool = False


def first_fault(error: ValidationError) -> str:
    """Formats the first error of a validation with its place."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    return f"{place}: {first['msg']}, got {first['input']!r:.60}"


class ObjectReader:
    """Reads the objects of a file with these images and categories."""

    def __init__(
        self, path: Path, images: Mapping[int, AnnotatedImage], categories: Mapping[int, str], reading: Reading
    ) -> None:
        self._path = path
        self._images = images
        self._categories = categories
        self._reading = reading
        self._tally = LeftOutTally()

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What has been left out or corrected so far."""
        return self._tally.result()

    def read(self, entries: Sequence[Mapping[str, Any]]) -> dict[int, tuple[Annotation, ...]]:
        """Returns the objects by id of their image; raises ValueError, which names the file and the object."""
        objects: dict[int, list[Annotation]] = {}
        for entry in entries:
            if (found := self._read_or_drop(entry)) is not None:
                objects.setdefault(found.image, []).append(found)
        return {image: tuple(each) for image, each in objects.items()}

    def _read_or_drop(self, entry: Mapping[str, Any]) -> Annotation | None:
        number, place = entry["image_id"], f"{self._path}, annotation {entry['id']}"
        if number not in self._images:
            raise ValueError(f"{place} must be of a listed image, got image_id {number}")
        if entry["category_id"] not in self._categories:
            raise ValueError(f"{place} must be of a listed category, got category_id {entry['category_id']}")
        image, reading = self._images[number], self._reading
        try:
            return self._read(entry, image)
        except ValueError as error:
            if reading.drop_bad_objects and not reading.is_truth:
                self._tally.add(DROPPED, f"annotation {entry['id']}: {error}")
                return None
            more = " (drop_bad_objects drops no evaluation truth)" if reading.drop_bad_objects else ""
            raise ValueError(f"{place} of image {number} ({image.path.name}): {error}{more}") from None

    def _read(self, entry: Mapping[str, Any], image: AnnotatedImage) -> Annotation:
        try:
            shape = _SHAPE.validate_python(entry)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None
        box, mask = shape["bbox"], None
        clipped = _clip(box, image)
        fault = _fault(box, clipped, image)
        if fault is not None and (min(box[2:]) < 0 or not (self._reading.drop_bad_objects and self._reading.is_truth)):
            raise ValueError(f"its box, x, y, width, height, must {fault}, got {entry['bbox']!r:.60}")
        if self._reading.need_masks:
            mask = self._mask(entry, image)
        is_crowd = bool(shape.get("iscrowd"))
        keypoints = read_keypoints(entry, image) if self._reading.need_keypoints and not is_crowd else ()
        self._count(entry, box, clipped, fault)
        kept, area = (clipped if fault is None else box), shape.get("area")
        return Annotation(
            entry["id"],
            image.id,
            entry["category_id"],
            kept,
            kept[2] * kept[3] if area is None else area,
            is_crowd=is_crowd,
            mask=mask,
            keypoints=keypoints,
            is_trained=fault is None,
        )

    def _mask(self, entry: Mapping[str, Any], image: AnnotatedImage) -> bytes:
        segmentation = entry.get("segmentation")
        if segmentation in (None, []):
            raise ValueError("it must have a mask (segmentation) for detector.masks, got none")
        mask = encode_segmentation(segmentation, image.height, image.width)
        if isinstance(segmentation, list) and any(_exceeds(polygon, image) for polygon in segmentation):
            self._tally.add(CLIPPED_MASKS, f"annotation {entry['id']}")
        return mask

    def _count(self, entry: Mapping[str, Any], box: _Box, clipped: _Box, fault: str | None) -> None:
        if fault is not None:
            self._tally.add(NOT_TRAINED, f"annotation {entry['id']}: its box must {fault}")
        elif clipped != box:
            self._tally.add(CLIPPED, f"annotation {entry['id']}")
        if entry.get("ignore") and not entry.get("iscrowd"):
            self._tally.add(NOT_IGNORED, f"annotation {entry['id']}")


def _exceeds(polygon: Sequence[float], image: AnnotatedImage) -> bool:
    """Whether a polygon exceeds its image by more than `TOLERANCE`."""
    sides = ((polygon[0::2], image.width), (polygon[1::2], image.height))
    return any(min(each) < -TOLERANCE or max(each) > side + TOLERANCE for each, side in sides)


def _clip(box: _Box, image: AnnotatedImage) -> _Box:
    """Clips a box to its image, if it exceeds it by more than `TOLERANCE`."""
    x, y, width, height = box
    if min(x, y) >= -TOLERANCE and x + width <= image.width + TOLERANCE and y + height <= image.height + TOLERANCE:
        return box
    left, top = max(x, 0.0), max(y, 0.0)
    return left, top, min(x + width, float(image.width)) - left, min(y + height, float(image.height)) - top


def _fault(box: _Box, clipped: _Box, image: AnnotatedImage) -> str | None:
    """Returns the rule that a box violates."""
    if min(box[2:]) < MIN_SIDE:
        return f"have a width and a height of at least {MIN_SIDE} pixels"
    x, y, width, height = clipped
    left, top = max(x, 0), max(y, 0)
    if min(min(x + width, image.width) - left, min(y + height, image.height) - top) < MIN_SIDE:
        return f"have a part within the {image.width} x {image.height} pixels of its image"
    return None
