"""A small search space for tests and first steps, of the same form as NASNet's."""

from __future__ import annotations

from search_spaces.cell_space import CellSpace

TINY = CellSpace(
    ops=("identity", "max_pool_3x3", "conv_1x1", "sep_conv_3x3"),
    num_blocks=2,
    norms=("bn", "in"),
)
"""2 blocks per cell, 24 decisions.

Example:
    >>> import nas
    >>> len(nas.TINY.choices)
    24
"""
