"""Notices on pictures that are readable but may hold something else than their owner expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

_MAX_READ = 32
_FEW_BITS = 14


def has_16_bits(image: Image.Image) -> bool:
    """Whether an opened image has one channel of 16 bits."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def picture_notices(paths: Sequence[Path]) -> Iterator[str]:
    """Looks at up to 32 evenly spaced pictures.

    Yields a sentence if all 16-bit ones hold fewer bits, and one if a file has several frames. Files that cannot be
    opened are for the decoder to report.
    """
    highest, several = 0, []
    chosen = [paths[place] for place in np.linspace(0, len(paths) - 1, min(len(paths), _MAX_READ), dtype=int)]
    for path in chosen:
        try:
            with Image.open(path) as image:
                if getattr(image, "n_frames", 1) > 1:
                    several.append(path)
                if has_16_bits(image):
                    highest = max(highest, int(np.asarray(image).max()))
        except Exception:  # noqa: S112 - Pillow raises half a dozen types for damaged files
            continue
    if 0 < highest < 2**_FEW_BITS:
        yield (
            f"the 16-bit pictures hold values up to {highest:,} of 65,535 ({highest.bit_length()} bits) and appear "
            "dark; rescale them to 16 bits to use the full range"
        )
    if several:
        yield f"of files with several frames, such as {several[0].name}, only the first is used"
