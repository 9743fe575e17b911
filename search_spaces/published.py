"""Published architectures, wired as in their authors' code.

NASNet-B and NASNet-C are missing because their wiring was published only as figures (1707.07012, figures 8 and 9).
"""

from __future__ import annotations

from collections.abc import Mapping

from nas.architecture import Architecture, Block, Cell, Edge

P, H = 0, 1
"""The inputs of a cell: the output of the cell before the previous one, and that of the previous cell."""


def _cell(*blocks: tuple[str, int, str, int], concat: tuple[int, ...]) -> Cell:
    """A cell whose blocks add; each block is (left operation, its source, right operation, its source)."""
    added = (Block(Edge(source, left), Edge(other, right)) for left, source, right, other in blocks)
    return Cell(tuple(added), concat)


# 1712.00559, figure 1: one cell serves as normal and reduction cell.
_PNASNET_5_CELL = _cell(
    ("sep_conv_5x5", P, "max_pool_3x3", P),
    ("sep_conv_7x7", H, "max_pool_3x3", H),
    ("sep_conv_5x5", H, "sep_conv_3x3", H),
    ("sep_conv_3x3", 4, "max_pool_3x3", H),
    ("sep_conv_3x3", P, "identity", H),
    concat=(2, 3, 4, 5, 6),
)

PUBLISHED: Mapping[str, Architecture] = {
    # 1707.07012, figure 4, which concatenates only the loose ends. The authors' code, from which all published widths
    # and counts come, also concatenates P in the normal cell and state 3 in the reduction cell.
    "nasnet-a": Architecture(
        normal=_cell(
            ("sep_conv_5x5", H, "sep_conv_3x3", P),
            ("sep_conv_5x5", P, "sep_conv_3x3", P),
            ("avg_pool_3x3", H, "identity", P),
            ("avg_pool_3x3", P, "avg_pool_3x3", P),
            ("sep_conv_3x3", H, "identity", H),
            concat=(P, 2, 3, 4, 5, 6),
        ),
        reduction=_cell(
            ("sep_conv_5x5", H, "sep_conv_7x7", P),
            ("max_pool_3x3", H, "sep_conv_7x7", P),
            ("avg_pool_3x3", H, "sep_conv_5x5", P),
            ("identity", 3, "avg_pool_3x3", 2),
            ("sep_conv_3x3", 2, "max_pool_3x3", H),
            concat=(3, 4, 5, 6),
        ),
    ),
    "pnasnet-5": Architecture(normal=_PNASNET_5_CELL, reduction=_PNASNET_5_CELL),
    # 1802.01548, as in the authors' code, with which the figures agree from version 7 of the paper. Other listings of
    # "AmoebaNet" often follow the older figure.
    "amoebanet-a": Architecture(
        normal=_cell(
            ("avg_pool_3x3", H, "max_pool_3x3", H),
            ("sep_conv_3x3", P, "identity", P),
            ("identity", H, "avg_pool_3x3", P),
            ("sep_conv_3x3", H, "sep_conv_5x5", 2),
            ("avg_pool_3x3", 5, "sep_conv_3x3", H),
            concat=(P, 3, 4, 6),
        ),
        reduction=_cell(
            ("sep_conv_3x3", P, "avg_pool_3x3", H),
            ("max_pool_3x3", H, "sep_conv_7x7", 2),
            ("max_pool_3x3", P, "max_pool_3x3", H),
            ("sep_conv_3x3", 4, "bottleneck_conv_1x7_7x1", H),
            ("avg_pool_3x3", P, "sep_conv_7x7", H),
            concat=(2, 3, 4, 5, 6),
        ),
    ),
    "amoebanet-b": Architecture(
        normal=_cell(
            ("conv_1x1", P, "max_pool_3x3", P),
            ("identity", P, "sep_conv_3x3", H),
            ("conv_1x1", P, "sep_conv_3x3", H),
            ("conv_1x1", 2, "identity", 2),
            ("avg_pool_3x3", P, "conv_1x1", 5),
            concat=(H, 3, 4, 6),
        ),
        reduction=_cell(
            ("max_pool_2x2", H, "max_pool_3x3", H),
            ("identity", 2, "bottleneck_conv_3x3", P),
            ("dil2_sep_conv_5x5", 2, "max_pool_3x3", 2),
            ("identity", 3, "sep_conv_3x3", P),
            ("avg_pool_3x3", 4, "conv_1x1", 3),
            concat=(5, 6),
        ),
    ),
    "amoebanet-c": Architecture(
        normal=_cell(
            ("avg_pool_3x3", H, "sep_conv_3x3", H),
            ("identity", H, "sep_conv_3x3", H),
            ("avg_pool_3x3", 2, "sep_conv_3x3", P),
            ("identity", H, "sep_conv_3x3", P),
            ("avg_pool_3x3", 3, "sep_conv_3x3", H),
            concat=(P, 2, 4, 5, 6),
        ),
        reduction=_cell(
            ("max_pool_3x3", H, "max_pool_3x3", H),
            ("sep_conv_7x7", 2, "sep_conv_3x3", H),
            ("sep_conv_7x7", H, "max_pool_3x3", P),
            ("sep_conv_5x5", 4, "sep_conv_5x5", 4),
            ("max_pool_3x3", P, "sep_conv_3x3", P),
            concat=(H, 2, 3, 4, 5, 6),
        ),
    ),
    "amoebanet-d": Architecture(
        normal=_cell(
            ("conv_1x1", P, "max_pool_3x3", P),
            ("identity", P, "bottleneck_conv_1x7_7x1", H),
            ("conv_1x1", H, "bottleneck_conv_1x7_7x1", H),
            ("max_pool_3x3", 2, "identity", 2),
            ("avg_pool_3x3", P, "conv_1x1", 5),
            concat=(H, 3, 4, 6),
        ),
        reduction=_cell(
            ("max_pool_2x2", H, "max_pool_3x3", H),
            ("identity", 2, "bottleneck_conv_3x3", P),
            ("bottleneck_conv_1x7_7x1", 2, "max_pool_3x3", 2),
            ("identity", 3, "max_pool_2x2", P),
            ("avg_pool_3x3", 2, "conv_1x1", 3),
            concat=(4, 5, 6),
        ),
    ),
}
"""Published architectures by name; commands accept these names wherever they take an architecture.

Example:
    >>> import nas
    >>> nas.PUBLISHED["nasnet-a"].normal.output_states
    (0, 2, 3, 4, 5, 6)
"""
