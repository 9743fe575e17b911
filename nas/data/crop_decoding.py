"""Decoding of a part of a photograph: the crop is chosen before the pixels are decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from nas.data.data_set import Images
from nas.data.image_decoding import to_rgb
from nas.data.orientation import displayed_size, turn_upright

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


def decode_crop(path: Path, choose: ChooseBox, size: int) -> Images:
    """Decodes a crop of a photograph, resized with an antialiased bilinear filter: uint8 (size, size, 3).

    The photograph is turned as its EXIF orientation says. Raises ValueError, which names the file, if it cannot be
    decoded or is truncated.
    """
    try:
        with Image.open(path) as image:
            width, height = displayed_size(image)
            box = choose(width, height)
            factor = min(box.width, box.height) / (_MARGIN * size)
            if factor > 1:  # lets the JPEG decoder downscale
                image.draft("RGB", (int(image.width / factor), int(image.height / factor)))
            upright = turn_upright(image, to_rgb(image))
            edges = _pixels(box, upright.width / width, upright.height / height)
            return _resize(np.asarray(upright.crop(edges)), size)
    except Exception as error:  # Pillow raises half a dozen types for damaged files
        raise ValueError(f"{path} is not an image that can be decoded: {error}") from None


def center_box(width: int, height: int, *, share: float) -> Box:
    """Returns the square in the middle whose side is a share of the shorter side."""
    side = min(width, height) * share
    return Box((width - side) / 2, (height - side) / 2, side, side)


def _pixels(box: Box, across: float, down: float) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of a box, in whole pixels of a picture scaled by these factors."""
    left, top = round(box.left * across), round(box.top * down)
    right, bottom = round((box.left + box.width) * across), round((box.top + box.height) * down)
    return left, top, max(left + 1, right), max(top + 1, bottom)


def _resize(pixels: Images, size: int) -> Images:
    """Resizes bytes (height, width, 3) with torch, which takes half the time of Pillow."""
    if pixels.shape[:2] == (size, size):
        return pixels
    planes = torch.tensor(pixels).permute(2, 0, 1)[None]
    resized = F.interpolate(planes, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return cast("Images", resized[0].permute(1, 2, 0).numpy())
