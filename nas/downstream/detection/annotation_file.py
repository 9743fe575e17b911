"""Reads COCO's annotation format; errors name the file and the entry."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NotRequired, cast
from unicodedata import normalize

from pydantic import AfterValidator, BeforeValidator, ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from nas.data.identity import shorten
from nas.downstream.detection.annotated_objects import ObjectReader, Reading, first_fault
from nas.downstream.detection.annotations import AnnotatedImage, Annotations
from nas.downstream.detection.keypoints import check_names
from nas.files.guarded_read import open_regular
from nas.files.strict_json import parse_json

__all__ = ["Reading", "read_annotations"]

MAX_LENGTH = 65_535


def _inside(name: str) -> str:
    if PurePosixPath(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError("file_name must be that of a file in the folder of the images")
    return name


def whole(number: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Converts whole floats, which some programs write for integers."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


_Whole = BeforeValidator(whole)
_Id = Annotated[int, Field(strict=True, ge=0, lt=2**53), _Whole]
_Side = Annotated[int, Field(strict=True, ge=1, le=MAX_LENGTH), _Whole]
_Name = Annotated[str, Field(min_length=1)]


class _Category(TypedDict):
    id: _Id
    name: _Name
    keypoints: NotRequired[list[str]]


class _Image(TypedDict):
    id: _Id
    file_name: Annotated[_Name, AfterValidator(_inside)]
    width: _Side
    height: _Side


class _Object(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    id: NotRequired[_Id]
    image_id: _Id
    category_id: _Id


class _File(TypedDict):
    images: Annotated[list[_Image], FailFast(), Field(min_length=1)]
    annotations: Annotated[list[_Object], FailFast()]
    categories: Annotated[list[_Category], FailFast(), Field(min_length=1)]


_FILE = TypeAdapter(_File)


def read_annotations(path: Path, reading: Reading, check: Callable[[Path, AnnotatedImage], bool | None]) -> Annotations:
    """Reads an annotation file.

    `check` is called with the file and each image; it raises ValueError if the image does not match its annotation, and
    returns whether only the picture as stored does.

    Raises:
        ValueError: if anything is invalid; names the file and the entry.
        OSError: if the file cannot be read.
        RuntimeError: if it has masks and pycocotools is missing.
    """
    with open_regular(path) as file_of_annotations:
        content = file_of_annotations.read()
    file = _parse(path, content)
    images = {
        each["id"]: AnnotatedImage(
            each["id"], find_file(reading.folder, each["file_name"]), each["width"], each["height"]
        )
        for each in file["images"]
    }
    stored = [image.path.name for image in images.values() if check(path, image)]
    categories = {each["id"]: each["name"] for each in file["categories"]}
    if reading.need_keypoints:
        _check_keypoint_names(path, file)
    notices = [*_number_objects(file), *_describe_stored(stored)]
    reader = ObjectReader(path, images, categories, reading)
    objects = reader.read(file["annotations"])
    _check_pixels(path, [each.box for some in objects.values() for each in some])
    return Annotations(
        path,
        tuple(images.values()),
        objects,
        categories,
        hashlib.sha256(content).hexdigest(),
        folder=reading.folder,
        listed=frozenset(each["file_name"] for each in file["images"]),
        left_out=reader.left_out,
        notices=tuple(notices),
    )


def _check_pixels(path: Path, boxes: Sequence[tuple[float, float, float, float]]) -> None:
    if boxes and max(map(max, boxes)) <= 1:
        raise ValueError(f"{path}: boxes must be in pixels, but no number of any exceeds 1, as in shares of the image")


def _check_keypoint_names(path: Path, file: _File) -> None:
    for each in file["categories"]:
        try:
            check_names(each.get("keypoints"))
        except ValueError as error:
            raise ValueError(f"{path}, category {each['id']}: {error}") from None


def _describe_stored(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield (
            f"{len(names):,} pictures are annotated as they are stored, not as they are displayed, and are read so "
            f"({shorten(names)})"
        )


def find_file(folder: Path, name: str) -> Path:
    """Returns the path of a file, whose name on disk may have another Unicode form than in the annotations."""
    path = folder / name
    if name.isascii() or path.exists():
        return path
    return next((folder / form for kind in ("NFC", "NFD") if (folder / (form := normalize(kind, name))).exists()), path)


def _parse(path: Path, content: bytes) -> _File:
    try:
        file = _FILE.validate_python(parse_json(content))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    for kind in ("images", "categories"):
        entries = cast("dict[str, list[Mapping[str, Any]]]", file)[kind]
        ids = Counter(entry["id"] for entry in entries)
        if twice := [number for number, count in ids.items() if count > 1]:
            raise ValueError(f"{path}: {kind} must have unique ids, got {twice[0]} twice")
    files = Counter(entry["file_name"] for entry in file["images"])
    if twice := [name for name, count in files.items() if count > 1]:
        raise ValueError(f"{path}: images must have unique files, got {twice[0]!r:.100} twice")
    return file


def _number_objects(file: _File) -> tuple[str, ...]:
    """Numbers the objects from 1 unless they have unique ids above 0: pycocotools takes 0 for no object."""
    ids = [entry.get("id", 0) for entry in file["annotations"]]
    if 0 not in ids and len({*ids}) == len(ids):
        return ()
    for number, entry in enumerate(file["annotations"], start=1):
        entry["id"] = number
    return ("the ids of the annotations are missing, 0 or repeated, so objects are numbered in their order from 1",)
