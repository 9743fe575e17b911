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
        num_filters: filters of its operations.
        stride: 1 for a normal cell, 2 for a reduction cell.
        norms: constants of normalization.
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

    Args:
        shape: shape of the state.
        target: shape of the result.
        norms: constants of the batch normalization that follows.
        rectify: whether ReLU is applied first.

    Attributes:
        siblings: all 1x1 convolutions that read the same state after ReLU, including its own; empty if unknown. They
            are computed jointly when training on a CPU.
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
    """A block: two operations and their combination.

    Args:
        block: description of the block.
        shapes: shapes of the preceding hidden states.
        settings: settings of the cell.
    """

    def __init__(self, block: Block, shapes: Sequence[StateShape], settings: CellSettings) -> None:
        super().__init__()
        normalization = settings.normalization(block.norm)
        self._sources = (block.left.source, block.right.source)
        self._drops = tuple(OPERATIONS[edge.op].drops for edge in block.edges)
        self._concat = block.combine == "concat"
        self.num_channels = settings.num_filters * (2 if self._concat else 1)
        self.edges = nn.ModuleList(
            _build_edge(edge, shapes[edge.source], normalization, settings) for edge in block.edges
        )
        after = normalization.after
        self.after = None if after is None else after(self.num_channels, settings.norms)

    @property
    def num_paths(self) -> int:
        """Number of its operations that drop path may drop."""
        return sum(self._drops)

    def forward(self, states: Sequence[HiddenState], factors: Sequence[Tensor] = ()) -> HiddenState:
        """Computes the next hidden state.

        Args:
            states: all preceding hidden states.
            factors: one drop path factor (N, 1, 1, 1) per droppable path; empty to drop nothing.
        """
        left, right = (edge(states[source]) for edge, source in zip(self.edges, self._sources, strict=True))
        if factors:
            remaining = iter(factors)
            left, right = (
                result * next(remaining) if drops else result
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
        settings: filters, stride and norms.
        first: whether it is the first cell, which reads the stem's output as hidden state 0 unchanged.
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
        for block in cell.blocks:
            layers = BlockLayers(block, shapes, settings)
            self.blocks.append(layers)
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

    @property
    def num_paths(self) -> int:
        """Number of paths that drop path may drop."""
        return sum(block.num_paths for block in self._each_block())

    def forward(self, before: HiddenState, previous: HiddenState, factors: Sequence[Tensor] = ()) -> HiddenState:
        """Maps the outputs of two cells to that of this one.

        Args:
            before: output of the cell before the previous one.
            previous: output of the previous cell.
            factors: one drop path factor (N, 1, 1, 1) per droppable path; empty to drop nothing.

        Returns:
            Output of this cell, of shape `self.shape`.
        """
        states = [before if self.match_before is None else self.match_before(before), self.match_previous(previous)]
        used = 0
        for block in self._each_block():
            states.append(block(states, factors[used : used + block.num_paths]))
            used += block.num_paths
        outputs = (self._match_output(state, states[state]) for state in self._outputs)
        return HiddenState(*outputs)

    def _each_block(self) -> Iterator[BlockLayers]:
        for block in self.blocks:
            assert isinstance(block, BlockLayers)  # noqa: S101 - ModuleList does not keep the type of its items
            yield block

    def _match_output(self, number: int, state: HiddenState) -> HiddenState:
        name = str(number)
        matched: HiddenState = self.match_outputs[name](state) if name in self.match_outputs else state
        return matched


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
