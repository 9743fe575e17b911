"""Builds whatever a trial may hold: a network of cells, or a reference network."""

from __future__ import annotations

from typing import Any, TypeAlias

from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.network import Network, build_network
from nas.models.resnet import ReferenceNetwork, ResidualNetwork, build_resnet

Buildable: TypeAlias = Architecture | ReferenceNetwork
"""Descriptions of which there is a network."""

AnyNetwork: TypeAlias = Network | ResidualNetwork
"""What is built of them."""


def build(description: Buildable, spec: NetworkSpec) -> AnyNetwork:
    """Builds a network; initial weights are drawn from torch's current generator.

    Args:
        description: what stands in the network.
        spec: the network around it.

    Raises:
        ValueError: if an architecture names an operation or a norm that does not exist.
    """
    if isinstance(description, ReferenceNetwork):
        return build_resnet(description, spec)
    return build_network(description, spec)


def description_from_json(value: Any) -> Buildable:  # noqa: ANN401 - any JSON value
    """Rebuilds a description from what its `to_json` gave; raises ValueError if the value is none."""
    if isinstance(value, dict) and "reference" in value:
        return ReferenceNetwork.from_json(value)
    return Architecture.from_json(value)
