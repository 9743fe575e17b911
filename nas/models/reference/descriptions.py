"""Descriptions from which a network can be built; importing them needs no torch."""

from __future__ import annotations

from typing import Any, TypeAlias

from nas.architecture import Architecture
from nas.descriptions import cells_from_json
from nas.edge_cell import EdgeCell
from nas.models.reference.names import ReferenceNetwork

Buildable: TypeAlias = Architecture | EdgeCell | ReferenceNetwork
"""Descriptions from which a network can be built."""


def description_from_json(value: Any) -> Buildable:  # noqa: ANN401 - any JSON value
    """Rebuilds a description from the result of its `to_json`; raises ValueError if the value is not a description."""
    if isinstance(value, dict) and "reference" in value:
        return ReferenceNetwork.from_json(value)
    return cells_from_json(value)
