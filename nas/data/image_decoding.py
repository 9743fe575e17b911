"""Parallel decoding of image files to uint8 arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from nas.data.data_set import Images
from nas.data.formats.orientation import turn_upright
from nas.data.picture_notices import has_16_bits

_BLOCK = 256
_MAX_THREADS = 16


def decode_image(path: Path, size: int | None, *, annotated: tuple[int, int] | None = None) -> Images:
    """Decodes a JPEG, PNG or other file that Pillow reads to RGB, uint8 (3, height, width), as a viewer displays it.

    The shorter side is resized to `size` and the center is cropped; None keeps the original size. The picture is turned
    as its EXIF orientation says, unless it has the `annotated` width and height only as stored. Raises ValueError,
    which names the file, if it cannot be decoded or is truncated.
    """
    try:
        with Image.open(path) as image:
            if size is not None:
                # Lets the JPEG decoder downscale large images; twice the size leaves the rest to the filter.
                image.draft("RGB", (2 * size, 2 * size))
            color = turn_upright(image, to_rgb(image), annotated=annotated)
            pixels = np.asarray(color if size is None else _resize_and_crop(color, size))
    except Exception as error:  # Pillow raises half a dozen types for damaged files
        raise ValueError(f"{path} is not an image that can be decoded: {decoding_fault(error)}") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def decoding_fault(error: Exception) -> str:
    """Says in one line why a file cannot be decoded, without its path."""
    if isinstance(error, UnidentifiedImageError):
        return "no known format"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]


def decode_blocks(paths: Sequence[Path], size: int | None) -> Iterator[Images]:
    """Decodes files in parallel and yields them in order, in blocks of shape (images, 3, height, width).

    Raises ValueError, which names the file, if one cannot be decoded or differs in size from the first.
    """
    shape = decode_image(paths[0], size).shape

    def decode(first: int) -> Images:
        return np.stack([_decode_to(path, size, shape) for path in paths[first : first + _BLOCK]])

    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as threads:
        yield from threads.map(decode, range(0, len(paths), _BLOCK))


def _decode_to(path: Path, size: int | None, shape: tuple[int, ...]) -> Images:
    pixels = decode_image(path, size)
    if pixels.shape != shape:
        raise ValueError(
            f"all images must be {shape[2]} x {shape[1]} pixels like the first, unless image_size is set; "
            f"{path} is {pixels.shape[2]} x {pixels.shape[1]}"
        )
    return pixels


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts an opened image to RGB of 8 bits; raises ValueError for pixels of other depths than 8 or 16."""
    if "transparency" in image.info:  # converting directly to RGB would make Pillow warn
        image = image.convert("RGBA")
    if has_16_bits(image):  # Pillow would clip values above 255
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels must have 8 or 16 bits per channel, got Pillow's mode {image.mode}")
    return image.convert("RGB")


def _resize_and_crop(image: Image.Image, size: int) -> Image.Image:
    """Resizes the shorter side to `size` and crops the center."""
    width, height = image.size
    shorter = min(width, height)
    left, top = (width - shorter) / 2, (height - shorter) / 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + shorter, top + shorter))
