"""Reads the boxes of Pascal VOC, an XML file for each image; errors name the file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from nas.data.report import join_left_out
from nas.downstream.detection.annotated_objects import ObjectReader, Reading
from nas.downstream.detection.annotations import AnnotatedImage, Annotation, Annotations
from nas.downstream.voc_folder import BOXES_FOLDER, IMAGES_FOLDER, SETS_FOLDER, VOC_CLASSES, VocSet, is_eleven_points
from nas.files.guarded_read import read_bytes

_MAX_LENGTH = 65_535
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_CATEGORIES = dict(enumerate(VOC_CLASSES, start=1))
_NUMBERS = {name: number for number, name in _CATEGORIES.items()}


def read_voc(
    root: Path, sets: Sequence[VocSet], reading: Reading, check: Callable[[Path, AnnotatedImage], bool | None]
) -> Annotations:
    """Reads the annotations of image sets, whose images are numbered from 1 in their order.

    Corners count pixels from 1 and both belong to the box, so a box from 1 to 10 is 10 pixels wide and begins at 0.
    Objects marked difficult are not trained on, and ignored in evaluation. `check` is called as in
    `nas.downstream.detection.annotation_file.read_annotations`.

    Raises:
        ValueError: if anything is invalid or missing; names the file.
        OSError: if a file cannot be read.
    """
    if reading.need_masks:
        raise ValueError(f"the annotations of {root} hold boxes only (Pascal VOC), so detector.masks must be false")
    digest = hashlib.sha256()
    images: dict[int, AnnotatedImage] = {}
    objects: dict[int, tuple[Annotation, ...]] = {}
    left_out, first = [], 1
    for number, (folder, name) in enumerate(_names(sets), start=1):
        path = folder / BOXES_FOLDER / f"{name}.xml"
        document, content = _parse(path)
        digest.update(content)
        images[number] = AnnotatedImage(number, folder / IMAGES_FOLDER / f"{name}.jpg", *_size(path, document))
        entries = [_entry(path, each, place) for place, each in enumerate(document.findall("object"), start=first)]
        first += len(entries)
        check(path, images[number])
        reader = ObjectReader(path, images, _CATEGORIES, reading)
        found = reader.read([{**entry, "image_id": number} for entry, _ in entries])
        difficult = {entry["id"] for entry, is_difficult in entries if is_difficult}
        objects |= {image: tuple(_marked(each, difficult) for each in some) for image, some in found.items()}
        left_out.append((f"{path.name}, ", reader.left_out))
    return Annotations(
        sets[0].folder / SETS_FOLDER / "Main" / f"{sets[0].name}.txt",
        tuple(images.values()),
        objects,
        _CATEGORIES,
        digest.hexdigest(),
        folder=root,
        left_out=join_left_out(left_out),
        eleven_points=is_eleven_points([*sets]),
    )


def _names(sets: Sequence[VocSet]) -> Iterator[tuple[Path, str]]:
    return ((each.folder, name) for each in sets for name in each.images)


def _parse(path: Path) -> tuple[ET.Element, bytes]:
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}, which must hold the boxes of a listed image") from None
    if b"<!" in content.replace(b"<!--", b""):
        raise ValueError(f"{path} must be XML without declarations of a document type or entities")
    try:
        document = ET.fromstring(content)  # noqa: S314 - see above
    except ET.ParseError as error:
        raise ValueError(f"{path} is not valid XML: {error}") from None
    return document, content


def _size(path: Path, document: ET.Element) -> tuple[int, int]:
    width, height = (_number(path, document, f"size/{name}") for name in ("width", "height"))
    if min(width, height) < 1 or max(width, height) > _MAX_LENGTH or width % 1 or height % 1:
        raise ValueError(
            f"{path}: size must be a width and a height of 1 to {_MAX_LENGTH} pixels, got {width:g} x {height:g}"
        )
    return int(width), int(height)


def _entry(path: Path, element: ET.Element, number: int) -> tuple[dict[str, Any], bool]:
    """Returns an object as COCO's format has it, and whether it is difficult."""
    name = (element.findtext("name") or "").strip()
    if name not in _NUMBERS:
        raise ValueError(f"{path}: an object must be of {VOC_CLASSES[0]}, .., {VOC_CLASSES[-1]}, got {name!r:.60}")
    left, top, right, bottom = (_number(path, element, f"bndbox/{corner}") for corner in _CORNERS)
    box = [left - 1, top - 1, right - left + 1, bottom - top + 1]
    difficult = (element.findtext("difficult") or "0").strip()
    if difficult not in {"0", "1"}:
        raise ValueError(f"{path}: difficult must be 0 or 1, got {difficult!r:.60}")
    return {"id": number, "category_id": _NUMBERS[name], "bbox": box}, difficult == "1"


def _number(path: Path, element: ET.Element, place: str) -> float:
    text = element.findtext(place)
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        came = "nothing" if text is None else f"{text!r:.60}"
        raise ValueError(f"{path}: {place} must be a number, got {came}")
    return number


def _marked(annotation: Annotation, difficult: set[int]) -> Annotation:
    hard = annotation.id in difficult
    return replace(annotation, is_difficult=hard, is_trained=annotation.is_trained and not hard)
