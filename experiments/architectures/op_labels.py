"""Labels of operations in drawings."""

from __future__ import annotations

import re

WORDS = {
    "avg_pool": "avg",
    "max_pool": "max",
    "sep_conv": "sep",
    "dil_conv": "dilated",
    "bottleneck_conv": "bottleneck",
    "dil2_sep_conv": "dilated sep",
}
"""Short names of operations, as in the papers."""


def op_label(op: str) -> tuple[str, ...]:
    """Returns the one or two lines of the label of an operation: ``sep_conv_3x3`` becomes "sep" and "3 by 3"."""
    sizes = re.findall(r"\d+x\d+", op)
    word = re.sub(r"_?\d+x\d+", "", op).strip("_")
    words = WORDS.get(word, word.replace("_", " "))
    return tuple(line for line in (words, " ".join(sizes).replace("x", "\N{MULTIPLICATION SIGN}")) if line)
