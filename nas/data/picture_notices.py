"""Notices on pictures that are readable but may hold something else than their owner expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

_MAX_READ = 32
_FEW_BITS = 14
_OPAQUE = 255


def has_16_bits(image: Image.Image) -> bool:
    """Whether an opened image has one channel of 16 bits."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def loses_bits(image: Image.Image) -> bool:
    """Whether an opened image has several channels of 16 bits, which Pillow reads as 8 bits."""
    return not has_16_bits(image) and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def picture_notices(paths: Sequence[Path]) -> Iterator[str]:
    """Looks at up to 32 evenly spaced pictures.

    Yields a sentence if all 16-bit ones hold fewer bits, one if a file has several channels of 16 bits, one if a file
    has several frames, and one if a file has transparent parts. Files that cannot be opened are for the decoder to
    report.
    """
    chosen = [paths[place] for place in np.linspace(0, len(paths) - 1, min(len(paths), _MAX_READ), dtype=int)]
    looked = [(path, found) for path in chosen if (found := _look(path)) is not None]
    several = [path for path, found in looked if found.num_frames > 1]
    deep = [path for path, found in looked if found.loses_bits]
    highest = max((found.highest for _, found in looked), default=0)
    if 0 < highest < 2**_FEW_BITS:
        yield (
            f"the 16-bit pictures hold values up to {highest:,} of 65,535 ({highest.bit_length()} bits) and appear "
            "dark; rescale them to 16 bits to use the full range"
        )
    if deep:
        yield f"of several channels of 16 bits, such as those of {deep[0].name}, the upper 8 bits are used"
    if several:
        yield f"of files with several frames, such as {several[0].name}, only the first is used"
    if clear := [path for path, found in looked if found.is_transparent]:
        yield (
            f"transparent parts of pictures, such as those of {clear[0].name}, are read in the color that is stored "
            "beneath them, which viewers do not show"
        )


class _Found(NamedTuple):
    num_frames: int
    loses_bits: bool
    highest: int
    is_transparent: bool


def _look(path: Path) -> _Found | None:
    try:
        with Image.open(path) as image:
            highest = int(np.asarray(image).max()) if has_16_bits(image) else 0
            return _Found(getattr(image, "n_frames", 1), loses_bits(image), highest, _is_transparent(image))
    except Exception:
        return None


def _is_transparent(image: Image.Image) -> bool:
    return image.has_transparency_data and int(np.asarray(image.convert("RGBA"))[..., 3].min()) < _OPAQUE
