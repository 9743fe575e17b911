"""Names of the operations and normalizations, for code that checks them without loading torch.

`nas.models.operations.OPERATIONS` and `nas.models.normalization.NORMALIZATIONS` say how each is built.
"""

from __future__ import annotations

from collections.abc import Iterable

from nas.plugins import is_reference

OPERATION_NAMES = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_2x2",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil2_sep_conv_5x5",
    "bottleneck_conv_3x3",
    "bottleneck_conv_1x3_3x1",
    "bottleneck_conv_1x7_7x1",
)
NORMALIZATION_NAMES = (
    "bn",
    "in",
    "ibn",
    "ibn_a",
    "ibn_b",
    "gn",
    "syncbn",
    "none",
)


def check_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raises ValueError for the first name that is neither known nor of the form ``package.module:name``."""
    table = tuple(known)
    for name in names:
        if name not in table and not is_reference(name):
            raise ValueError(f"{what} must be among {', '.join(table)}, got {name!r:.80}")
