"""Reads COCO's annotation format; errors name the file and the entry."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NotRequired, cast

from pydantic import AfterValidator, ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from nas.downstream.detection.annotations import AnnotatedImage, Annotation, Annotations
from nas.downstream.detection.masks import encode_segmentation
from nas.files.strict_json import parse_json

TOLERANCE = 1.0
"""Pixels by which COCO's own boxes and polygons exceed the image."""
MIN_SIDE = 0.01
"""Of a box, in pixels; smaller ones are empty in single precision."""
MAX_LENGTH = 65_535


def _inside(name: str) -> str:
    if PurePosixPath(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError("file_name must be that of a file in the folder of the images")
    return name


_Id = Annotated[int, Field(strict=True, ge=0, lt=2**53)]
_Side = Annotated[int, Field(strict=True, ge=1, le=MAX_LENGTH)]
_Coordinate = Annotated[float, Field(strict=True, ge=-MAX_LENGTH, le=MAX_LENGTH)]
_Name = Annotated[str, Field(min_length=1)]


class _Category(TypedDict):
    id: _Id
    name: _Name


class _Image(TypedDict):
    id: _Id
    file_name: Annotated[_Name, AfterValidator(_inside)]
    width: _Side
    height: _Side


class _Object(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    id: Annotated[_Id, Field(ge=1)]  # pycocotools takes 0 for no object
    image_id: _Id
    category_id: _Id


class _Shape(TypedDict):
    bbox: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate]
    area: NotRequired[Annotated[float, Field(strict=True, ge=0, le=MAX_LENGTH**2)]]
    iscrowd: NotRequired[Annotated[int, Field(strict=True, ge=0, le=1)]]


class _File(TypedDict):
    images: Annotated[list[_Image], FailFast(), Field(min_length=1)]
    annotations: Annotated[list[_Object], FailFast()]
    categories: Annotated[list[_Category], FailFast(), Field(min_length=1)]


_FILE, _SHAPE = TypeAdapter(_File), TypeAdapter(_Shape)


@dataclass(frozen=True, slots=True)
class Reading:
    """The folder of the images, whether every object must have a mask, and whether invalid objects are dropped."""

    folder: Path
    need_masks: bool = False
    drop_bad_objects: bool = False


def read_annotations(path: Path, reading: Reading, check: Callable[[Path, AnnotatedImage], None]) -> Annotations:
    """Reads an annotation file.

    `check` is called with the file and each image; it raises ValueError if the image does not match its annotation.

    Raises:
        ValueError: if anything is invalid; names the file and the entry.
        OSError: if the file cannot be read.
        RuntimeError: if it has masks and pycocotools is missing.
    """
    content = path.read_bytes()
    file = _parse(path, content)
    images = {
        each["id"]: AnnotatedImage(each["id"], reading.folder / each["file_name"], each["width"], each["height"])
        for each in file["images"]
    }
    for image in images.values():
        check(path, image)
    objects: dict[int, list[Annotation]] = {}
    for annotation in _read_objects(path, file, images, reading):
        objects.setdefault(annotation.image, []).append(annotation)
    return Annotations(
        path,
        tuple(images.values()),
        {image: tuple(each) for image, each in objects.items()},
        {each["id"]: each["name"] for each in file["categories"]},
        hashlib.sha256(content).hexdigest(),
    )


def _parse(path: Path, content: bytes) -> _File:
    try:
        file = _FILE.validate_python(parse_json(content))
    except ValidationError as error:
        raise ValueError(f"{path}: {_first_fault(error)}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    for kind, entries in cast("dict[str, list[Any]]", file).items():
        ids = Counter(entry["id"] for entry in entries)
        if twice := [number for number, count in ids.items() if count > 1]:
            raise ValueError(f"{path}: {kind} must have unique ids, got {twice[0]} twice")
    return file


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    return f"{place}: {first['msg']}, got {first['input']!r:.60}"


def _read_objects(
    path: Path, file: _File, images: Mapping[int, AnnotatedImage], reading: Reading
) -> Iterator[Annotation]:
    categories = {each["id"] for each in file["categories"]}
    for entry in file["annotations"]:
        image, place = entry["image_id"], f"{path}, annotation {entry['id']}"
        if image not in images:
            raise ValueError(f"{place} must be of a listed image, got image_id {image}")
        if entry["category_id"] not in categories:
            raise ValueError(f"{place} must be of a listed category, got category_id {entry['category_id']}")
        try:
            yield _read_object(entry, images[image], reading)
        except ValueError as error:
            if not reading.drop_bad_objects:
                raise ValueError(f"{place} of image {image} ({images[image].path.name}): {error}") from None


def _read_object(entry: Mapping[str, Any], image: AnnotatedImage, reading: Reading) -> Annotation:
    try:
        shape = _SHAPE.validate_python(entry)
    except ValidationError as error:
        raise ValueError(_first_fault(error)) from None
    box = shape["bbox"]
    if (fault := _fault(box, image)) is not None:
        raise ValueError(f"its box, x, y, width, height, must {fault}, got {entry['bbox']!r:.60}")
    segmentation, mask = entry.get("segmentation"), None
    if segmentation not in (None, []):
        mask = encode_segmentation(segmentation, image.height, image.width, tolerance=TOLERANCE)
    elif reading.need_masks:
        raise ValueError("it must have a mask (segmentation) for detector.masks, got none")
    return Annotation(
        entry["id"],
        image.id,
        entry["category_id"],
        box,
        shape.get("area", box[2] * box[3]),
        is_crowd=bool(shape.get("iscrowd")),
        mask=mask if reading.need_masks else None,
    )


def _fault(box: Sequence[float], image: AnnotatedImage) -> str | None:
    """Returns the rule that a box violates."""
    x, y, width, height = box
    if min(width, height) < MIN_SIDE:
        return f"have a width and a height of at least {MIN_SIDE} pixels"
    if min(x, y) < -TOLERANCE or x + width > image.width + TOLERANCE or y + height > image.height + TOLERANCE:
        return f"lie within the {image.width} x {image.height} pixels of its image"
    left, top = max(x, 0), max(y, 0)
    if min(min(x + width, image.width) - left, min(y + height, image.height) - top) < MIN_SIDE:
        return f"have a part within the {image.width} x {image.height} pixels of its image"
    return None
