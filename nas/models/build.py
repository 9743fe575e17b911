"""Builds the network of any description: a network of cells or a reference network."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from nas.architecture import Architecture
from nas.descriptions import cells_from_json
from nas.edge_cell import EdgeCell
from nas.fidelity import NetworkSpec
from nas.models.classifier_norm import instance_placement, use_norm
from nas.models.edge_network import EdgeNetwork
from nas.models.network import Network, build_network
from nas.models.reference.feature_maps import run
from nas.models.reference.library import create_library_network
from nas.models.reference.names import DenseNetForm, ReferenceNetwork, ResNetForm
from nas.models.reference.wrapped import WrappedNetwork

if TYPE_CHECKING:
    from nas.models.resnet import ResidualNetwork

Buildable: TypeAlias = Architecture | EdgeCell | ReferenceNetwork
"""Descriptions from which a network can be built."""

AnyNetwork: TypeAlias = "Network | EdgeNetwork | ResidualNetwork | WrappedNetwork"
"""Networks built from them."""


def build(description: Buildable, spec: NetworkSpec) -> AnyNetwork:
    """Builds a network; initial weights are drawn from torch's generator.

    Raises:
        ValueError: for unknown names, or settings that do not apply to the network.
        RuntimeError: if the network is timm's, and timm is not installed.
    """
    if isinstance(description, ReferenceNetwork):
        return use_norm(_build_reference(description, spec), spec.norm)
    if isinstance(description, EdgeCell):
        return use_norm(EdgeNetwork(description, spec), spec.norm)
    return build_network(description, spec)


def _build_reference(reference: ReferenceNetwork, spec: NetworkSpec) -> ResidualNetwork | WrappedNetwork:
    from nas.models.densenet import build_densenet  # torchvision takes seconds to import
    from nas.models.resnet import ResidualNetwork

    form = reference.form
    if isinstance(form, ResNetForm):
        return ResidualNetwork(reference, spec)
    if isinstance(form, DenseNetForm):
        return WrappedNetwork(reference, spec, build_densenet(form, spec, name=reference.name))
    if instance_placement(spec, None, name=reference.name) is not None or spec.appearance_stages is not None:
        raise ValueError(f"instance normalization cannot be placed in {reference.name}: no paper says where")
    if torch.get_default_device().type != "meta":
        _check_runs(reference, spec)
    return WrappedNetwork(reference, spec, create_library_network(form, spec))


@lru_cache(maxsize=32)
def _check_runs(reference: ReferenceNetwork, spec: NetworkSpec) -> None:
    """Raises ValueError if a network of a library does not take images of the spec's size."""
    with torch.device("meta"), torch.no_grad():
        run(build(reference, spec).eval(), torch.empty(1, spec.in_channels, spec.image_size, spec.image_size))


def description_from_json(value: Any) -> Buildable:  # noqa: ANN401 - any JSON value
    """Rebuilds a description from the result of its `to_json`; raises ValueError if the value is not a description."""
    if isinstance(value, dict) and "reference" in value:
        return ReferenceNetwork.from_json(value)
    return cells_from_json(value)
