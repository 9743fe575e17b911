"""Networks of cells with operations on edges, as in NAS-Bench-201 (2001.00326, section 2.2, and its authors' code).

A 3x3 convolution to `num_filters` channels, stages of `num_repeats` equal cells, and a residual block of stride 2 that
doubles the channels before each further stage; then batch normalization, ReLU, global average pooling and a classifier.
The networks of the benchmark have 16 filters, 5 repeats and 3 stages. Initial weights of convolutions are torch's
default, as in the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor, nn

from nas.edge_cell import EdgeCell
from nas.fidelity import NetworkSpec
from nas.models.dense.shifted_copies import ShiftedCopies
from nas.models.layers import Conv, Pool, Rectified, Unchanged
from nas.models.normalization import NormSettings, batch_norm
from nas.models.operations import EdgeLayers
from nas.models.states import HiddenState

_BuildEdge: TypeAlias = Callable[[int, NormSettings], EdgeLayers | None]
_FREE = ("num_classes", "image_size", "in_channels", "num_filters", "num_repeats", "num_stages", "dropout")
_FREE_NORMS = ("norm_epsilon", "norm_momentum", "norm")


class PointwiseConv(Conv):
    """A 1x1 convolution without bias whose initial weights are torch's default."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def reset_parameters(self) -> None:
        """Draws the weights."""
        nn.Conv2d.reset_parameters(self)


def _convolve(size: int, num_channels: int, norms: NormSettings) -> EdgeLayers:
    return EdgeLayers(Rectified(), _convolution(num_channels, num_channels, size), batch_norm(num_channels, norms))


EDGE_OPERATIONS: Mapping[str, _BuildEdge] = MappingProxyType(
    {
        "none": lambda _channels, _norms: None,
        "skip_connect": lambda _channels, _norms: EdgeLayers(Unchanged()),
        "nor_conv_1x1": lambda num_channels, norms: _convolve(1, num_channels, norms),
        "nor_conv_3x3": lambda num_channels, norms: _convolve(3, num_channels, norms),
        "avg_pool_3x3": lambda _channels, _norms: EdgeLayers(Pool("avg", 3, 1)),
    }
)
"""Operations of an edge by name, built for a number of channels; None is an edge that is left out."""


def check_ops(cell: EdgeCell) -> None:
    """Raises ValueError if the cell names an unknown operation."""
    if unknown := [op for op in cell.ops if op not in EDGE_OPERATIONS]:
        raise ValueError(f"the ops of a cell must be among {', '.join(EDGE_OPERATIONS)}; got {unknown[0]:.100}")


def check_edge_spec(spec: NetworkSpec) -> None:
    """Raises ValueError if a setting does not apply to networks of cells with operations on edges."""
    if spec.norm in {"ibn_a", "ibn_b"}:
        raise ValueError(f"network.norm must be bn, gn, syncbn or frozen_bn with operations on edges, got {spec.norm}")
    default = NetworkSpec()
    for field in fields(NetworkSpec):
        value = getattr(spec, field.name)
        if field.name not in (*_FREE, *_FREE_NORMS) and value != getattr(default, field.name):
            raise ValueError(
                f"network.{field.name} does not apply to cells with operations on edges; it must be "
                f"{getattr(default, field.name)}, got {value}"
            )


class EdgeCellLayers(nn.Module):
    """A cell: each node is the sum of its edges; (N, C, H, W) to the same shape."""

    def __init__(self, cell: EdgeCell, num_channels: int, norms: NormSettings) -> None:
        super().__init__()
        self.nodes = nn.ModuleList()
        for node in cell.nodes:
            edges = {str(source): EDGE_OPERATIONS[op](num_channels, norms) for source, op in enumerate(node)}
            self.nodes.append(nn.ModuleDict({source: edge for source, edge in edges.items() if edge is not None}))

    def forward(self, images: Tensor) -> Tensor:
        """Computes the last node; a node without edges is 0."""
        states = [HiddenState(images)]
        result = images
        for node in self.nodes:
            results = [edge(states[int(source)]) for source, edge in node.items()]  # type: ignore[operator]
            result = sum(results[1:], results[0]) if results else torch.zeros_like(images)
            states.append(HiddenState(result))
        return result


class ResidualReduction(nn.Module):
    """The residual block between two stages: halves the map and doubles the channels."""

    def __init__(self, in_channels: int, out_channels: int, norms: NormSettings) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.ReLU(),
            _convolution(in_channels, out_channels, 3, stride=2),
            batch_norm(out_channels, norms),
            nn.ReLU(),
            _convolution(out_channels, out_channels, 3),
            batch_norm(out_channels, norms),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), PointwiseConv(in_channels, out_channels))

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, 2C, ceil(H / 2), ceil(W / 2))."""
        result: Tensor = self.branch(images) + self.shortcut(images)
        return result


class EdgeNetwork(nn.Module):
    """An image classifier made of one cell with operations on edges.

    Attributes:
        stages: the residual block that opens the stage, except in the first, and its cells.
        dense_stages: numbers of stages that keep the size of the map, see `nas.models.dense.shifted_copies`.
    """

    def __init__(self, cell: EdgeCell, spec: NetworkSpec) -> None:
        super().__init__()
        check_ops(cell)
        check_edge_spec(spec)
        self.architecture = cell
        self.spec = spec
        self.dense_stages: frozenset[int] = frozenset()
        self.auxiliary_head: nn.Module | None = None
        norms = NormSettings(spec.norm_epsilon, spec.norm_momentum)
        widths = [spec.num_filters << stage for stage in range(spec.num_stages)]
        stem = _convolution(spec.in_channels, spec.num_filters, 3)
        self.stem = nn.Sequential(stem, batch_norm(spec.num_filters, norms))
        self.stages = nn.ModuleList()
        for stage, width in enumerate(widths):
            opening = [ResidualReduction(width // 2, width, norms)] if stage else []
            cells = (EdgeCellLayers(cell, width, norms) for _ in range(spec.num_repeats))
            self.stages.append(nn.Sequential(*opening, *cells))
        self.norm = batch_norm(widths[-1], norms)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = nn.Linear(widths[-1], spec.num_classes)

    @property
    def parts(self) -> dict[str, list[nn.Module]]:
        """The modules of each stage by name, from stem to classifier."""
        stages: dict[str, list[nn.Module]] = {f"stage {i}": [stage] for i, stage in enumerate(self.stages, start=1)}
        return {"stem": [self.stem], **stages, "classifier": [self.norm, self.classifier]}

    def set_progress(self, fraction: float) -> None:
        """Does nothing, since there is no drop path."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps images (N, in_channels, H, W) to logits (N, num_classes)."""
        pooled = torch.relu(self.norm(self.features(images)[-1])).mean((2, 3))
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits

    def features(self, images: Tensor) -> list[Tensor]:
        """Computes the output (N, C, H, W) of the last cell of each stage, before ReLU."""
        outputs = []
        copies = ShiftedCopies()
        state = self.stem(images)
        for index, stage in enumerate(self.stages):
            if index in self.dense_stages:
                (state,) = copies.spread(state)
            state = stage(state)
            outputs.append(copies.gather(state))
        return outputs


def _convolution(in_channels: int, out_channels: int, size: int, *, stride: int = 1) -> nn.Conv2d:
    if size == 1:
        return PointwiseConv(in_channels, out_channels)
    return nn.Conv2d(in_channels, out_channels, size, stride=stride, padding=size // 2, bias=False)
