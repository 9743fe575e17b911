"""COCO's JSON format, read with suspicion: whatever is wrong is said in one line before anything is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nas.downstream.detection.annotations import Annotation, Annotations, Picture
from nas.downstream.detection.masks import encode_segmentation
from nas.files.strict_json import parse_json

TOLERANCE = 1.0
"""Pixels by which COCO's own boxes and polygons reach over the edge."""
MIN_SIDE = 0.01
"""Of a box, in pixels: with less, single precision makes its edges one."""
MAX_LENGTH = 65_535
_MAX_ID = 2**53


@dataclass(frozen=True, slots=True)
class Reading:
    """What is wanted of an annotation file.

    Attributes:
        folder: of the pictures.
        need_masks: whether every object must have a mask.
        drop_bad_objects: whether objects are left out whose box or mask is not as it must be.
    """

    folder: Path
    need_masks: bool = False
    drop_bad_objects: bool = False


def read_annotations(path: Path, reading: Reading, check: Callable[[Path, Picture], None]) -> Annotations:
    """Reads an annotation file.

    Args:
        path: of the file.
        reading: what is wanted of it.
        check: called with the file and each picture in it, raises ValueError if the picture is not as it is described.

    Raises:
        ValueError: if anything is not as it must be; names the file and the id.
        OSError: if it cannot be read.
        RuntimeError: if it has masks and pycocotools is missing.
    """
    content = path.read_bytes()
    value = _parse(path, content)
    categories = _read_categories(path, _list(path, value, "categories"))
    pictures = _read_pictures(path, _list(path, value, "images"), reading.folder)
    for picture in pictures.values():
        check(path, picture)
    objects: dict[int, list[Annotation]] = {}
    for annotation in _read_objects(path, _list(path, value, "annotations"), (pictures, categories), reading):
        objects.setdefault(annotation.picture, []).append(annotation)
    return Annotations(
        path,
        tuple(pictures.values()),
        {picture: tuple(each) for picture, each in objects.items()},
        categories,
        hashlib.sha256(content).hexdigest(),
    )


def _parse(path: Path, content: bytes) -> Mapping[str, Any]:
    try:
        value = parse_json(content)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error.msg} in line {error.lineno}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold an object with images, annotations and categories, got {value!r:.60}")
    return value


def _list(path: Path, value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = value.get(key)
    if not isinstance(entries, list):
        raise ValueError(f"{path} must hold a list of {key}, got {_show(entries)}")
    if not entries and key != "annotations":
        raise ValueError(f"{path} must hold one or more {key}, got none")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(f"{path}: {key}[{number}] must be an object, got {_show(entry)}")
    return entries


def _read_categories(path: Path, entries: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    categories: dict[int, str] = {}
    for number, entry in enumerate(entries):
        place = f"{path}: categories[{number}]"
        identity, name = _id(place, entry, "id"), entry.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"{path}, category {identity}: its name must be a text, got {_show(name)}")
        if identity in categories:
            raise ValueError(f"{path}: the category id {identity} stands twice")
        categories[identity] = name
    return categories


def _read_pictures(path: Path, entries: Sequence[Mapping[str, Any]], folder: Path) -> dict[int, Picture]:
    pictures: dict[int, Picture] = {}
    for number, entry in enumerate(entries):
        identity = _id(f"{path}: images[{number}]", entry, "id")
        if identity in pictures:
            raise ValueError(f"{path}: the picture id {identity} stands twice")
        name = entry.get("file_name")
        if not isinstance(name, str) or not name or PurePosixPath(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(
                f"{path}, picture {identity}: its file_name must be that of a file in {folder}, got {_show(name)}"
            )
        sides = [entry.get("width"), entry.get("height")]
        if any(type(side) is not int or not 1 <= side <= MAX_LENGTH for side in sides):
            raise ValueError(
                f"{path}, picture {identity}: its width and height must be whole numbers from 1 to {MAX_LENGTH}, "
                f"got {_show(sides)}"
            )
        pictures[identity] = Picture(identity, folder / name, entry["width"], entry["height"])
    return pictures


def _read_objects(
    path: Path,
    entries: Sequence[Mapping[str, Any]],
    known: tuple[Mapping[int, Picture], Mapping[int, str]],
    reading: Reading,
) -> Iterator[Annotation]:
    pictures, categories = known
    seen: set[int] = set()
    for number, entry in enumerate(entries):
        identity = _id(f"{path}: annotations[{number}]", entry, "id", least=1)  # pycocotools takes 0 for no object
        place = f"{path}, annotation {identity}"
        if identity in seen:
            raise ValueError(f"{path}: the annotation id {identity} stands twice")
        seen.add(identity)
        picture, category = _id(place, entry, "image_id"), _id(place, entry, "category_id")
        if picture not in pictures:
            raise ValueError(f"{place} is of picture {picture}, which is not listed among the images")
        if category not in categories:
            raise ValueError(f"{place} is of category {category}, which is not listed among the categories")
        try:
            yield _read_object(entry, pictures[picture], reading)
        except ValueError as error:
            if not reading.drop_bad_objects:
                raise ValueError(f"{place} of picture {picture} ({pictures[picture].path.name}): {error}") from None


def _read_object(entry: Mapping[str, Any], picture: Picture, reading: Reading) -> Annotation:
    crowd = entry.get("iscrowd", 0)
    if type(crowd) is not int or crowd not in (0, 1):
        raise ValueError(f"its iscrowd must be 0 or 1, got {_show(crowd)}")
    box = _numbers(entry.get("bbox"))
    if (fault := _fault(box, picture)) is not None:
        raise ValueError(f"its box, x, y, width, height, must {fault}, got {_show(entry.get('bbox'))}")
    area = entry.get("area", box[2] * box[3])
    if type(area) not in (int, float) or not 0 <= area <= MAX_LENGTH**2:
        raise ValueError(f"its area must be a number of pixels, got {_show(area)}")
    segmentation = entry.get("segmentation")
    mask = None
    if segmentation is not None and segmentation != []:
        mask = encode_segmentation(segmentation, picture.height, picture.width, tolerance=TOLERANCE)
    elif reading.need_masks:
        raise ValueError("it has no mask (segmentation), which detector.masks needs")
    return Annotation(
        entry["id"],
        picture.id,
        entry["category_id"],
        box,
        float(area),
        is_crowd=bool(crowd),
        mask=mask if reading.need_masks else None,
    )


def _numbers(value: Any) -> tuple[float, float, float, float]:  # noqa: ANN401 - any JSON
    if not isinstance(value, list) or len(value) != 4 or any(type(each) not in (int, float) for each in value):
        raise ValueError(f"its box must be a list of four numbers, got {_show(value)}")
    if any(abs(each) > MAX_LENGTH for each in value):
        raise ValueError(f"its box must be of numbers up to {MAX_LENGTH}, got {_show(value)}")
    x, y, width, height = (float(each) for each in value)
    return x, y, width, height


def _fault(box: Sequence[float], picture: Picture) -> str | None:
    """What a box must do and does not."""
    x, y, width, height = box
    if min(width, height) < MIN_SIDE:
        return f"have a width and a height of at least {MIN_SIDE} pixels"
    if min(x, y) < -TOLERANCE or x + width > picture.width + TOLERANCE or y + height > picture.height + TOLERANCE:
        return f"lie within the {picture.width} x {picture.height} pixels of its picture"
    left, top = max(x, 0), max(y, 0)
    if min(min(x + width, picture.width) - left, min(y + height, picture.height) - top) < MIN_SIDE:
        return f"have a part within the {picture.width} x {picture.height} pixels of its picture"
    return None


def _id(place: str, entry: Mapping[str, Any], key: str, *, least: int = 0) -> int:
    value = entry.get(key)
    if type(value) is not int or not least <= value < _MAX_ID:
        raise ValueError(f"{place}: its {key} must be a whole number from {least}, got {_show(value)}")
    return value


def _show(value: Any) -> str:  # noqa: ANN401 - any JSON
    return "nothing" if value is None else f"{value!r:.60}"
