"""Builds the network of any description: a network of cells or a reference network."""

from __future__ import annotations

from typing import Any, TypeAlias

from nas.architecture import Architecture
from nas.descriptions import cells_from_json
from nas.edge_cell import EdgeCell
from nas.fidelity import NetworkSpec
from nas.models.edge_network import EdgeNetwork
from nas.models.network import Network, build_network
from nas.models.resnet import ReferenceNetwork, ResidualNetwork

Buildable: TypeAlias = Architecture | EdgeCell | ReferenceNetwork
"""Descriptions from which a network can be built."""

AnyNetwork: TypeAlias = Network | EdgeNetwork | ResidualNetwork
"""Networks built from them."""


def build(description: Buildable, spec: NetworkSpec) -> AnyNetwork:
    """Builds a network; initial weights are drawn from torch's generator.

    Raises ValueError for unknown names, or settings that do not apply to the network.
    """
    if isinstance(description, ReferenceNetwork):
        return ResidualNetwork(description, spec)
    if isinstance(description, EdgeCell):
        return EdgeNetwork(description, spec)
    return build_network(description, spec)


def description_from_json(value: Any) -> Buildable:  # noqa: ANN401 - any JSON value
    """Rebuilds a description from the result of its `to_json`; raises ValueError if the value is not a description."""
    if isinstance(value, dict) and "reference" in value:
        return ReferenceNetwork.from_json(value)
    return cells_from_json(value)
