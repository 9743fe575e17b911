"""Conversion of masks from and to COCO's polygons and run lengths, with pycocotools."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_SHIFT, _DIGIT, _MORE, _SIGN = 48, 0x1F, 0x20, 0x10
_MIN_POLYGON = 6
_MAX_LENGTH = 65_535


def encode_segmentation(value: Any, height: int, width: int) -> bytes:  # noqa: ANN401 - any JSON
    """Validates the mask of an object, and converts it to compressed run lengths; polygons are clipped to the image.

    Args:
        value: a list of polygons [x, y, x, y, ..], or ``{"size": [height, width], "counts": ..}`` with run lengths as
            a list or as compressed text.
        height: of the image in pixels.
        width: of the image in pixels.

    Raises:
        ValueError: if it is neither, or does not fit the image.
        RuntimeError: if pycocotools is missing.
    """
    library = import_pycocotools("mask")
    if isinstance(value, list):
        _check_polygons(value, height, width)
        encoded = library.merge(library.frPyObjects(value, height, width))
        return bytes(encoded["counts"])
    if isinstance(value, dict):
        counts = _check_runs(value, height, width)
        if isinstance(counts, bytes):
            return counts
        return bytes(library.frPyObjects({"size": [height, width], "counts": counts}, height, width)["counts"])
    raise ValueError(f"its mask must be a list of polygons or an object of run lengths, got {value!r:.60}")


def decode_mask(counts: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Decodes run lengths of `encode_segmentation` to a mask (height, width) of 0 and 1."""
    with warnings.catch_warnings():  # pycocotools uses what numpy 2 deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        mask: NDArray[np.uint8] = import_pycocotools("mask").decode({"size": [height, width], "counts": counts})
    return mask


def encode_masks(masks: Tensor) -> list[str]:
    """Encodes masks (N, height, width) of 0 and 1 to compressed run lengths, as text for JSON."""
    columns = np.asfortranarray(masks.byte().permute(1, 2, 0).cpu().numpy())
    return [each["counts"].decode("ascii") for each in import_pycocotools("mask").encode(columns)]


def _check_polygons(polygons: Sequence[Any], height: int, width: int) -> None:
    if not polygons:
        raise ValueError("its mask must have a polygon, got none")
    for polygon in polygons:
        numbers = polygon if isinstance(polygon, list) else []
        if any(type(number) not in (int, float) for number in numbers):
            raise ValueError(f"its polygons must be lists of numbers, got {polygon!r:.60}")
        if len(numbers) < _MIN_POLYGON or len(numbers) % 2:
            raise ValueError(f"its polygons must have three or more pairs x, y, got {polygon!r:.60}")
        if max(map(abs, numbers)) > _MAX_LENGTH:
            raise ValueError(f"its polygons must have coordinates up to {_MAX_LENGTH}, got {polygon!r:.60}")
    if not any(_overlaps(polygon, height, width) for polygon in polygons):
        raise ValueError(f"its polygons must have a part within {width} x {height} pixels, got {polygons!r:.60}")


def _overlaps(polygon: Sequence[float], height: int, width: int) -> bool:
    """Whether the bounding box of a polygon overlaps the image."""
    across, down = polygon[0::2], polygon[1::2]
    return max(across) > 0 and max(down) > 0 and min(across) < width and min(down) < height


def _check_runs(value: Mapping[str, Any], height: int, width: int) -> bytes | list[int]:
    size, counts = value.get("size"), value.get("counts")
    if size != [height, width]:
        raise ValueError(f"its mask must have the size [{height}, {width}] of the image, got {size!r:.60}")
    if isinstance(counts, str):
        lengths = _decompress(counts)
    elif isinstance(counts, list) and all(type(each) is int for each in counts):
        lengths = counts
    else:
        raise ValueError(f"the counts of its mask must be whole numbers or text, got {counts!r:.60}")
    if any(each < 0 for each in lengths) or sum(lengths) != height * width:
        raise ValueError(f"the counts of its mask must add up to {height * width} pixels, got {sum(lengths)}")
    return counts.encode("ascii") if isinstance(counts, str) else counts


def _decompress(text: str) -> list[int]:
    """Decodes COCO's text: five bits per character, and from the third number on differences to the last but one.

    pycocotools writes run lengths to memory without checking them, so they are decoded and checked here first.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        digit = ord(letter) - _SHIFT
        if not 0 <= digit < 2 * _MORE:
            raise ValueError(f"the counts of its mask must be compressed run lengths, got {text!r:.60}")
        value |= (digit & _DIGIT) << shift
        shift += 5
        if not digit & _MORE:
            if digit & _SIGN:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError(f"the counts of its mask must end with a whole number, got {text[-60:]!r}")
    return lengths


def import_pycocotools(module: str) -> Any:  # noqa: ANN401 - it has no types
    """Imports a module of pycocotools; raises RuntimeError if it is missing."""
    try:
        return import_module(f"pycocotools.{module}")
    except ImportError:
        raise RuntimeError("detection needs the package pycocotools: pip install 'nas-engine[detection]'") from None
