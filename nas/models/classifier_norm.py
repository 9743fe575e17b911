"""The norm of a classifier as a setting of its network: `nas.fidelity.NetworkSpec.norm`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from torch import nn

from nas.architecture import Architecture, Cell
from nas.fidelity import NetworkSpec

SAME_STATISTICS = ("bn", "syncbn", "frozen_bn")
"""Norms with the same weights and statistics, so that a trained network can change between them."""

_REPLACED = ("gn", "syncbn", "frozen_bn")
_PLACEMENTS: Mapping[str, str] = MappingProxyType({"ibn_a": "a", "ibn_b": "b"})
_Network = TypeVar("_Network", bound=nn.Module)


def instance_placement(spec: NetworkSpec, named: str | None, *, name: str) -> str | None:
    """Returns the placement of instance normalization in a reference network.

    Args:
        spec: settings of the network.
        named: placement in the name of the network, if any.
        name: of the network, for errors.

    Raises:
        ValueError: if name and settings place it differently.
    """
    setting = _PLACEMENTS.get(spec.norm)
    if setting is not None and named not in {None, setting}:
        raise ValueError(f"network.norm must be bn or the norm of {name}, got {spec.norm}")
    return named or setting


def place_in_cells(architecture: Architecture, spec: NetworkSpec) -> Architecture:
    """Sets the norm of blocks to ``ibn_a`` or ``ibn_b``, and the stages that use it, as the settings say.

    Blocks that have another norm than ``bn`` keep it. If nothing says in how many stages, it is all but the last, as
    IBN-Net's design rule demands (1807.09441, section 3.2).
    """
    stages = architecture.appearance_stages if spec.appearance_stages is None else spec.appearance_stages
    if spec.norm not in _PLACEMENTS:
        return replace(architecture, appearance_stages=stages)
    return Architecture(
        _cell_with(architecture.normal, spec.norm),
        _cell_with(architecture.reduction, spec.norm),
        max(1, spec.num_stages - 1) if stages is None else stages,
    )


def use_norm(network: _Network, norm: str) -> _Network:
    """Replaces the batch norms of a network in place if the norm asks for it, and returns the network."""
    if norm in _REPLACED:
        from nas.models.replace_norms import replace_norms  # torchvision takes seconds to import

        replace_norms(network, norm)
    return network


def _cell_with(cell: Cell, norm: str) -> Cell:
    blocks = (replace(block, norm=norm) if block.norm == "bn" else block for block in cell.blocks)
    return replace(cell, blocks=tuple(blocks))
