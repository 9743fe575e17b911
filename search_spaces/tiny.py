"""A space so small that tests and first steps get through it in seconds; same form as NASNet's."""

from __future__ import annotations

from search_spaces.cell_space import CellSpace

TINY = CellSpace(
    ops=("identity", "max_pool_3x3", "conv_1x1", "sep_conv_3x3"),
    num_blocks=2,
    norms=("bn", "in"),
)
"""2 blocks a cell, 24 decisions."""
