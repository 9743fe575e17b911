"""A cell as a module: built from its description, it turns the outputs of two cells into the next one.

How shapes are matched follows the authors' code of NASNet (1707.07012): hidden state 1 always passes ReLU, a 1x1
convolution and batch normalization to the cell's filters; state 0 does so only if its width differs, and is halved by a
factorized reduction if its map is larger; a state among the cell's outputs that is larger or of another width than the
blocks' results is brought to them without ReLU.
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
    """What the stack says of one cell.

    Attributes:
        num_filters: width of the results of its operations.
        stride: 1 for a normal cell, 2 for a reduction cell.
        norms: constants of normalization.
        appearance: whether norms that remove appearance may stand in it; batch normalization takes their place if not.
        average_counts_padding: see `nas.fidelity.NetworkSpec`.
    """

    num_filters: int
    stride: int
    norms: NormSettings
    appearance: bool = True
    average_counts_padding: bool = False

    def normalization(self, name: str) -> Normalization:
        """The norm that a block's choice means in this cell."""
        normalization = NORMALIZATIONS[name]
        return NORMALIZATIONS["bn"] if normalization.appearance and not self.appearance else normalization


class Matching(nn.Module):
    """Brings a state to another shape: by a 1x1 convolution, or by a factorized reduction if its map is to be halved.

    Args:
        shape: of the state.
        target: the shape it is to have.
        norms: constants of the batch normalization that follows.
        rectify: whether the state is rectified before.

    Attributes:
        siblings: all 1x1 convolutions that read the same state rectified, its own among them; empty if unknown. In
            training on a CPU they are computed together.
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
        """Its 1x1 convolution of the rectified state, if it is one."""
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
        block: its description.
        shapes: of the hidden states before it.
        settings: of the cell.
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
        """How many of its operations' results drop path may drop."""
        return sum(self._drops)

    def forward(self, states: Sequence[HiddenState], factors: Sequence[Tensor] = ()) -> HiddenState:
        """Makes the next hidden state.

        Args:
            states: all states before it.
            factors: for each path that may be dropped, a factor (N, 1, 1, 1); none at all to drop nothing.

        Returns:
            The new state.
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
        cell: its description.
        inputs: shapes of hidden states 0 and 1.
        settings: its filters, stride and norms.
        first: whether it is the first cell, whose hidden state 0 is the stem itself, whatever its width.
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
        """How many paths drop path may drop."""
        return sum(block.num_paths for block in self._each_block())

    def forward(self, before: HiddenState, previous: HiddenState, factors: Sequence[Tensor] = ()) -> HiddenState:
        """Turns the outputs of two cells into that of this one.

        Args:
            before: the output of the cell before the previous one.
            previous: the output of the previous cell.
            factors: for each path that may be dropped, a factor (N, 1, 1, 1); none at all to drop nothing.

        Returns:
            This cell's output, of shape `self.shape`.
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
            assert isinstance(block, BlockLayers)  # noqa: S101 - a ModuleList forgets the type of what it holds
            yield block

    def _match_output(self, number: int, state: HiddenState) -> HiddenState:
        name = str(number)
        matched: HiddenState = self.match_outputs[name](state) if name in self.match_outputs else state
        return matched


def _build_edge(edge: Edge, shape: StateShape, normalization: Normalization, settings: CellSettings) -> EdgeLayers:
    """Only what reads an input of the cell is strided: the states that blocks made have the cell's size already."""
    site = Site(
        in_channels=shape.num_channels,
        out_channels=settings.num_filters,
        stride=settings.stride if edge.source < NUM_INPUTS else 1,
        norms=OperationNorms(normalization, settings.norms),
        average_counts_padding=settings.average_counts_padding,
    )
    return OPERATIONS[edge.op].build(site)
