"""A cell as a module, built from its description: maps the outputs of the two previous cells to its own output.

Shapes are matched as in NASNet's code (1707.07012): hidden state 1 always passes through ReLU, a 1x1 convolution and
batch normalization; state 0 only if its width differs, or through a factorized reduction if its map is larger. Inputs
of the cell among its outputs are matched to the blocks' results in the same way, without ReLU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.architecture import Block, Cell, Edge
from nas.canonical import NUM_INPUTS
from nas.models.fast_cpu.memory import is_eager_cpu
from nas.models.layers import Conv, FactorizedReduction, Rectified, Unchanged, View
from nas.models.normalization import NORMALIZATIONS, Normalization, NormSettings, OperationNorms, batch_norm
from nas.models.operations import OPERATIONS, EdgeLayers, Site
from nas.models.states import HiddenState, StateShape


@dataclass(frozen=True, slots=True)
class CellSettings:
    """Settings of one cell within the network.

    Attributes:
        stride: 1 for a normal cell, 2 for a reduction cell.
        appearance: whether norms that remove appearance are used; otherwise batch normalization replaces them.
        average_counts_padding: see `nas.fidelity.NetworkSpec`.
    """

    num_filters: int
    stride: int
    norms: NormSettings
    appearance: bool = True
    average_counts_padding: bool = False

    def normalization(self, name: str) -> Normalization:
        """Returns the normalization that a block's norm stands for in this cell."""
        normalization = NORMALIZATIONS[name]
        return NORMALIZATIONS["bn"] if normalization.appearance and not self.appearance else normalization


class Matching(nn.Module):
    """Matches a state to another shape, by a 1x1 convolution or, to halve its map, by a factorized reduction.

    Batch normalization follows; with `rectify`, ReLU is applied first.

    Attributes:
        siblings: all 1x1 convolutions that read the same state after ReLU, its own among them, which are computed
            jointly when training on a CPU; empty if unknown.
    """

    def __init__(self, shape: StateShape, target: StateShape, norms: NormSettings, *, rectify: bool) -> None:
        super().__init__()
        self.view: View = Rectified() if rectify else Unchanged()
        self.siblings: tuple[Conv, ...] = ()
        norm = batch_norm(target.num_channels, norms)
        self.layers: FactorizedReduction | nn.Sequential
        if shape.num_halvings < target.num_halvings:
            self.layers = FactorizedReduction(shape.num_channels, target.num_channels, norm)
        else:
            self.layers = nn.Sequential(Conv(shape.num_channels, target.num_channels, 1), norm)

    @property
    def conv(self) -> Conv | None:
        """Its 1x1 convolution of the state after ReLU, if it has one."""
        first = self.layers[0] if isinstance(self.layers, nn.Sequential) else None
        return first if isinstance(first, Conv) and self.view == Rectified() else None

    def forward(self, state: HiddenState) -> HiddenState:
        """Returns the matched state."""
        view = state.view(self.view)
        if self.conv is None or len(self.siblings) < 2 or not self.training or not is_eager_cpu(view):
            return HiddenState(self.layers(view))
        *_, norm = self.layers.children()
        return HiddenState(norm(state.convolve(self.conv, self.siblings)))


class BlockLayers(nn.Module):
    """A block: two operations of the preceding hidden states, whose shapes are given, and their combination."""

    def __init__(self, block: Block, shapes: Sequence[StateShape], settings: CellSettings) -> None:
        super().__init__()
        normalization = settings.normalization(block.norm)
        self._sources = (block.left.source, block.right.source)
        self._drops = tuple(OPERATIONS[edge.op].drops for edge in block.edges)
        self.num_paths = sum(self._drops)
        self._concat = block.combine == "concat"
        self.num_channels = settings.num_filters * (2 if self._concat else 1)
        self.edges = nn.ModuleList(
            _build_edge(edge, shapes[edge.source], normalization, settings) for edge in block.edges
        )
        after = normalization.after
        self.after = None if after is None else after(self.num_channels, settings.norms)

    def forward(self, states: Sequence[HiddenState], factors: Iterator[Tensor] | None = None) -> HiddenState:
        """Computes the next hidden state; drop path scales the result of each droppable operation by a factor."""
        left, right = (edge(states[source]) for edge, source in zip(self.edges, self._sources, strict=True))
        if factors is not None:
            left, right = (
                result * next(factors) if drops else result
                for result, drops in zip((left, right), self._drops, strict=True)
            )
        if self.after is not None:
            return HiddenState(self.after(torch.cat((left, right), dim=1) if self._concat else left + right))
        return HiddenState(left, right) if self._concat else HiddenState(left + right)


class CellLayers(nn.Module):
    """A cell of a network.

    Args:
        cell: description of the cell.
        inputs: shapes of hidden states 0 and 1.
        settings: settings of the cell.
        first: whether it is the first cell, which reads the stem's output as hidden state 0 unchanged.

    Attributes:
        shape: shape of its output.
        num_paths: number of paths that drop path may drop.
    """

    def __init__(
        self, cell: Cell, inputs: tuple[StateShape, StateShape], settings: CellSettings, *, first: bool = False
    ) -> None:
        super().__init__()
        before, previous = inputs
        matched = StateShape(settings.num_filters, previous.num_halvings)
        target = StateShape(settings.num_filters, previous.num_halvings + settings.stride - 1)
        keeps_before = first or before == matched
        self.match_before = None if keeps_before else Matching(before, matched, settings.norms, rectify=True)
        self.match_previous = Matching(previous, matched, settings.norms, rectify=True)
        shapes = [before if keeps_before else matched, matched]
        self.blocks = nn.ModuleList()
        self.num_paths = 0
        for block in cell.blocks:
            layers = BlockLayers(block, shapes, settings)
            self.blocks.append(layers)
            self.num_paths += layers.num_paths
            shapes.append(StateShape(layers.num_channels, target.num_halvings))
        self._outputs = cell.output_states
        self.match_outputs = nn.ModuleDict(
            {
                str(state): Matching(shapes[state], target, settings.norms, rectify=False)
                for state in self._outputs
                if state < NUM_INPUTS and shapes[state] != target
            }
        )
        widths = [
            target.num_channels if str(state) in self.match_outputs else shapes[state].num_channels
            for state in self._outputs
        ]
        self.shape = StateShape(sum(widths), target.num_halvings)

    def forward(
        self, before: HiddenState, previous: HiddenState, factors: Iterator[Tensor] | None = None
    ) -> HiddenState:
        """Maps the outputs of the two previous cells to that of this one.

        Each droppable path takes the next drop path factor (N, 1, 1, 1); without factors, nothing is dropped.
        """
        states = [before if self.match_before is None else self.match_before(before), self.match_previous(previous)]
        for block in self.blocks:
            states.append(block(states, factors))
        names = {str(state): states[state] for state in self._outputs}
        matches = self.match_outputs
        return HiddenState(*(matches[name](state) if name in matches else state for name, state in names.items()))


def _build_edge(edge: Edge, shape: StateShape, normalization: Normalization, settings: CellSettings) -> EdgeLayers:
    """Builds an operation; only those that read an input of the cell are strided."""
    site = Site(
        in_channels=shape.num_channels,
        out_channels=settings.num_filters,
        stride=settings.stride if edge.source < NUM_INPUTS else 1,
        norms=OperationNorms(normalization, settings.norms),
        average_counts_padding=settings.average_counts_padding,
    )
    return OPERATIONS[edge.op].build(site)
