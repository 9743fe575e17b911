"""Decoding of a part of a photograph: the crop is chosen before the pixels are decoded."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nas.data.data_set import Images
from nas.data.formats.orientation import displayed_size, turn_upright
from nas.data.image_decoding import decoding_fault, to_rgb

_PLAIN, _EXIF = ("YCbCr", "RGB", "Gray"), b"Exif"
_SMALLEST = 2
"""Factor from which a JPEG is decoded at a smaller scale: there is none between 1 and 1/2."""

_MAX_BUFFER = 2**24
_of_thread = threading.local()

_MARGIN = 2
"""A JPEG is decoded at 1/2, 1/4 or 1/8 only if the crop keeps this many times the pixels of its side: the decoder's
averages of whole blocks are coarser than the filter."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of a photograph as it is displayed."""

    left: float
    top: float
    width: float
    height: float


ChooseBox = Callable[[int, int], Box]
"""Chooses a crop for the width and height of a photograph."""


class Source(Protocol):
    """A file, or a part of one, whose name is its text."""

    def read_bytes(self) -> bytes:
        """Reads all of it."""


def decode_crop(source: Source, choose: ChooseBox, size: int) -> Images:
    """Decodes a crop of a photograph, resized with an antialiased bilinear filter: uint8 (3, size, size).

    The photograph is turned as its EXIF orientation says. Raises ValueError, which names the file, if it cannot be
    decoded or is truncated.
    """
    try:
        content = source.read_bytes()
        image = None if (plain := _plain_size(content)) else Image.open(io.BytesIO(content))
        width, height = plain or displayed_size(cast("Image.Image", image))
        box = choose(width, height)
        factor = min(box.width, box.height) / (_MARGIN * size)
        planes = _decode_plain(content, width, height, factor) if image is None else _decode(image, factor)
        left, top, right, bottom = _pixels(box, planes.shape[2] / width, planes.shape[1] / height)
        return _resize(planes[:, top:bottom, left:right], size)
    except Exception as error:  # Pillow raises half a dozen types for damaged files
        raise ValueError(f"{source} is not an image that can be decoded: {decoding_fault(error)}") from None


def center_box(width: int, height: int, *, share: float) -> Box:
    """Returns the square in the middle whose side is a share of the shorter side."""
    side = min(width, height) * share
    return Box((width - side) / 2, (height - side) / 2, side, side)


def _pixels(box: Box, across: float, down: float) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of a box, in whole pixels of a picture scaled by these factors."""
    left, top = round(box.left * across), round(box.top * down)
    right, bottom = round((box.left + box.width) * across), round((box.top + box.height) * down)
    return left, top, max(left + 1, right), max(top + 1, bottom)


def _plain_size(content: bytes) -> tuple[int, int] | None:
    """Returns width and height of a JPEG that simplejpeg displays as Pillow does, whose header takes it much longer."""
    import simplejpeg  # only photographs need it

    if _EXIF in content:
        return None
    try:
        *size, colors, _ = simplejpeg.decode_jpeg_header(content)  # type: ignore[attr-defined]
    except ValueError:
        return None
    height, width = map(int, size)
    is_plain = colors in _PLAIN and width * height <= (Image.MAX_IMAGE_PIXELS or math.inf)
    return (width, height) if is_plain else None


def _decode_plain(content: bytes, width: int, height: int, factor: float) -> Tensor:
    """Decodes a JPEG of `_plain_size`, see `_decode`. The next call may overwrite the result."""
    import simplejpeg

    with suppress(ValueError):  # Pillow tolerates more, or says what is wrong
        pixels = simplejpeg.decode_jpeg(  # type: ignore[attr-defined]
            content,
            "RGB",
            min_width=int(width / factor) if factor >= _SMALLEST else 0,
            min_height=int(height / factor) if factor >= _SMALLEST else 0,
            min_factor=_SMALLEST,
            buffer=_buffer(width * height * 3),
        )
        return torch.from_numpy(pixels).permute(2, 0, 1)
    return _decode(Image.open(io.BytesIO(content)), factor)


def _decode(image: Image.Image, factor: float) -> Tensor:
    """Decodes a photograph, upright, to RGB bytes (3, height, width): a JPEG at most `factor` times smaller."""
    if factor >= _SMALLEST:
        image.draft("RGB", (int(image.width / factor), int(image.height / factor)))
    return torch.tensor(np.asarray(turn_upright(image, to_rgb(image)))).permute(2, 0, 1)


def _buffer(size: int) -> npt.NDArray[np.uint8] | None:
    """Returns memory that this thread uses again, since new memory takes half as long as decoding; None for a lot."""
    if size > _MAX_BUFFER:
        return None
    if len(getattr(_of_thread, "buffer", ())) < size:
        _of_thread.buffer = np.empty(size, np.uint8)
    buffer: npt.NDArray[np.uint8] = _of_thread.buffer
    return buffer


def _resize(planes: Tensor, size: int) -> Images:
    if planes.shape[1:] == (size, size):
        planes = planes.clone()
    else:
        batch = planes[None].contiguous(memory_format=torch.channels_last)  # the fastest to resize
        planes = F.interpolate(batch, (size, size), mode="bilinear", antialias=True, align_corners=False)[0]
    return planes.numpy()
