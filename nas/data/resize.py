"""Resizing of images in memory."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F

from nas.data.data_set import Images, Split

_CHUNK = 4096


def resize_split(split: Split, size: int | None) -> Split:
    """Returns the split with images of `size` x `size` pixels; unchanged if `size` is None or already matches."""
    if size is None or split.images.shape[2:] == (size, size):
        return split
    chunks = [_resize(split.images[first : first + _CHUNK], size) for first in range(0, len(split), _CHUNK)]
    return Split(np.concatenate(chunks), split.labels)


def _resize(images: Images, size: int) -> Images:
    """Resizes bilinearly with antialiasing, as Pillow does."""
    pixels = torch.tensor(images, dtype=torch.float32)
    resized = F.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return cast("Images", resized.round_().clamp_(0, 255).to(torch.uint8).numpy())
