"""Initial weights of a training run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import nn

from nas.architecture import Block
from nas.fidelity import NetworkSpec
from nas.models.build import AnyNetwork, Buildable, build
from nas.models.cell import BlockLayers, CellLayers
from nas.models.edge_network import EdgeCellLayers
from nas.models.layers import Unchanged
from nas.models.network import Network
from nas.models.normalization import InstanceBatchNorm
from nas.models.operations import EdgeLayers
from nas.recipe import TrainRecipe


def build_initial(architecture: Buildable, spec: NetworkSpec, recipe: TrainRecipe, *, seed: int) -> AnyNetwork:
    """Builds a network with initial weights, see `zero_gamma`, without affecting torch's global generator."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        network = build(architecture, spec)
    if recipe.zero_gamma:
        zero_gamma(network)
    return network


def zero_gamma(network: AnyNetwork) -> int:
    """Sets the scale of the last norm of each branch that is added to an unchanged state to 0.

    Each such sum then starts as the unchanged state (1706.02677, section 5.1; 1812.01187, section 3.1). These are the
    residual branches of residual networks, and operations of cells that are added to an identity. Returns their number.
    """
    branches = [*(_branches_of_cells(network) if isinstance(network, Network) else _residual_branches(network))]
    for norm in branches:
        for part in (norm.instance, norm.batch) if isinstance(norm, InstanceBatchNorm) else (norm,):
            nn.init.zeros_(cast("nn.Parameter", part.weight))
    return len(branches)


def _branches_of_cells(network: Network) -> Iterator[nn.Module]:
    for cell, place in zip(network.cells, network.places, strict=True):
        description = network.architecture.reduction if place.reduction else network.architecture.normal
        if isinstance(cell, CellLayers):
            for layers, block in zip(cell.blocks, description.blocks, strict=True):
                if isinstance(layers, BlockLayers):
                    yield from _branch_of_block(layers, block)


def _branch_of_block(layers: BlockLayers, block: Block) -> Iterator[nn.Module]:
    if block.combine != "add":
        return
    operations = [edge for edge in layers.edges if isinstance(edge, EdgeLayers)]
    changed = [edge for edge in operations if len(edge.layers) or edge.view != Unchanged()]
    if len(changed) == 1 and (norms := _norms(changed[0])):
        yield norms[-1]


def _residual_branches(network: nn.Module) -> Iterator[nn.Module]:
    from torchvision.models.resnet import BasicBlock, Bottleneck  # takes seconds to import

    for module in network.modules():
        if isinstance(module, BasicBlock):
            yield module.bn2
        elif isinstance(module, Bottleneck):
            yield module.bn3
        elif isinstance(module, EdgeCellLayers):
            for node in module.nodes:
                yield from _branches_of_node([edge for edge in node.children() if isinstance(edge, EdgeLayers)])


def _branches_of_node(edges: Sequence[EdgeLayers]) -> Iterator[nn.Module]:
    """The norms of the convolutions that are added to an unchanged state."""
    if any(not len(edge.layers) and edge.view == Unchanged() for edge in edges):
        yield from (norms[-1] for edge in edges if (norms := _norms(edge)))


def _norms(module: nn.Module) -> list[nn.Module]:
    """Returns the norms of a module in order, without the parts of mixed norms."""
    found: list[nn.Module] = []
    for child in module.children():
        if isinstance(child, nn.BatchNorm2d | nn.SyncBatchNorm | nn.GroupNorm | InstanceBatchNorm):
            found.append(child)
        else:
            found += _norms(child)
    return found
