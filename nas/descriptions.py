"""Descriptions of networks that are plain data: two cells of blocks, or one cell with operations on its edges."""

from __future__ import annotations

from typing import Any, TypeAlias

from nas.architecture import Architecture
from nas.edge_cell import EdgeCell

CellDescription: TypeAlias = Architecture | EdgeCell
"""What the search spaces of this project decode to."""


def cells_from_json(value: Any) -> CellDescription:  # noqa: ANN401 - any JSON value
    """Rebuilds a description from the result of its `to_json`; raises ValueError if the value does not describe one."""
    if isinstance(value, dict) and "arch" in value:
        return EdgeCell.from_json(value)
    return Architecture.from_json(value)
