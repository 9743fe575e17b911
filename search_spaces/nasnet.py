"""NASNet's search space (1707.07012, section 3), with the normalization of each block as a further decision."""

from __future__ import annotations

from search_spaces.cell_space import CellSpace

NASNET_OPS = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
"""The 13 operations, in the paper's order."""

NASNET = CellSpace(ops=NASNET_OPS, norms=("bn", "in", "ibn", "gn"))
"""5 blocks per cell, 60 decisions. With ``norms=("bn",)`` it equals the paper's: 50 decisions, 5.23e36 tuples.

Example:
    >>> import nas
    >>> len(nas.NASNET.ops), nas.NASNET.num_blocks
    (13, 5)
"""
