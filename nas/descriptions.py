"""Descriptions of networks: their protocol, and plain ones: two cells of blocks, or a cell with operations on edges."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from nas.architecture import Architecture
from nas.edge_cell import EdgeCell


class Description(Protocol):
    """Describes the network of a trial. `nas.architecture.Architecture` describes one made of cells."""

    @property
    def fingerprint(self) -> str:
        """Equal for descriptions of the same network."""

    def to_json(self) -> Any:  # noqa: ANN401 - plain data of any form
        """Returns plain data for JSON."""


CellDescription: TypeAlias = Architecture | EdgeCell
"""What the search spaces of this project decode to."""


def cells_from_json(value: Any) -> CellDescription:  # noqa: ANN401 - any JSON value
    """Rebuilds a description from the result of its `to_json`; raises ValueError if the value does not describe one."""
    if isinstance(value, dict) and "arch" in value:
        return EdgeCell.from_json(value)
    return Architecture.from_json(value)
