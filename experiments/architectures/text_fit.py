"""Text of figures, fitted to a width."""

from __future__ import annotations

from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

FONT_SIZE, MIN_SIZE, TITLE_SIZE = 8.5, 5.5, 11.0
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Measures the width of a line of text in points."""
    return _unit_width(text) * size if text.strip() else 0.0


@lru_cache(maxsize=4096)
def _unit_width(text: str) -> float:
    """Width of a line of text of font size 1. Measuring takes most of the time of a drawing, and labels repeat."""
    return float(TextPath((0, 0), text, size=1, prop=FontProperties()).get_extents().width)


def fit_text(text: str, size: float, width: float) -> tuple[str, float]:
    """Shrinks and, if needed, truncates a line of text to a width in points; returns it with its size."""
    size = max(min(size, MIN_SIZE), size * min(1.0, width / max(1.0, text_width(text, size))))
    if text_width(text, size) <= width + 0.01:
        return text, size
    while text and text_width(text + ELLIPSIS, size) > width:
        text = text[:-1]
    return text + ELLIPSIS, size
