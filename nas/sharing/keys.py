"""Keys under which networks of cells share their tensors (ENAS, 1802.03268).

The key of an operation's tensor holds stage, cell, block, side, source, operation, norm and shape, so that two networks
share it if they have the same operation at the same place. Tensors outside of the blocks (stem, classifier, ...) have
their own name and shape. A convolution or classifier that reads the output of a cell, which concatenates a different
number of states in each architecture, is cut into one piece for each state, as in ENAS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

from torch import Tensor

from nas.architecture import Architecture, Block, Cell
from nas.canonical import NUM_INPUTS
from nas.models.build import AnyNetwork
from nas.models.cell import BlockLayers, CellLayers
from nas.models.edge_network import EdgeCellLayers, EdgeNetwork
from nas.models.network import Network
from nas.models.normalization import NORMALIZATIONS
from nas.models.stack import CellPlace

_States: TypeAlias = Sequence[tuple[int, int]]
_SIDES = ("left", "right")
_T = TypeVar("_T")


def shared_tensors(network: AnyNetwork) -> dict[str, Tensor]:
    """Returns the trainable tensors of a network by key, as views that share their memory.

    Running statistics are not shared: they belong to one architecture. Raises ValueError for a network without cells.
    """
    if not isinstance(network, Network | EdgeNetwork):
        raise ValueError(f"only networks of cells can share weights, got {type(network).__name__}")
    if isinstance(network, Network):
        places, inputs = dict(_places_of_blocks(network)), dict(_cell_inputs(network))
    else:
        places, inputs = dict(_places_of_edges(network)), {}
    found = {}
    for name, parameter in network.named_parameters():
        states = _of_parent(name, inputs)
        for part, view in _pieces(parameter.detach(), states[0] if states else None):
            shape = "x".join(map(str, view.shape))
            found[f"{_renamed(name, places)}{part}[{shape}]"] = view
    return found


def _renamed(name: str, places: dict[str, str]) -> str:
    """Replaces the module's place in the network, at the start of a parameter's name, by what it stands for."""
    match = _of_parent(name, places)
    return f"{match[0]}{name[len(match[1]) :]}" if match else name


def _of_parent(name: str, table: dict[str, _T]) -> tuple[_T, str] | None:
    """The entry of the innermost module of a parameter that the table holds, with that module's name."""
    while name:
        name = name.rpartition(".")[0]
        if name in table:
            return table[name], name
    return None


def _pieces(tensor: Tensor, states: _States | None) -> Iterator[tuple[str, Tensor]]:
    """Cuts a tensor along its second axis, which reads a cell's output, into a piece for each state."""
    if states is None or tensor.ndim < 2:
        yield "", tensor
        return
    first = 0
    for state, width in states:
        yield f".of{state}", tensor.narrow(1, first, width)
        first += width


def _places_of_edges(network: EdgeNetwork) -> Iterator[tuple[str, str]]:
    nodes = list(network.architecture.nodes)
    for name, module in network.named_modules():
        if isinstance(module, EdgeCellLayers):
            for node, ops in enumerate(nodes):
                for source, op in enumerate(ops):
                    yield f"{name}.nodes.{node}.{source}", f"{name}.node{node + 1}.state{source}.{op}"


def _places_of_blocks(network: Network) -> Iterator[tuple[str, str]]:
    for index, (description, cell, place) in enumerate(_cells(network)):
        for number, (block, layers) in enumerate(zip(description.blocks, cell.blocks, strict=True)):
            norm = _norm(block, place, network)
            start = f"cells.{index}.blocks.{number}"
            named = f"stage{place.stage}.cell{index}.block{number}"
            for side, edge in enumerate(block.edges):
                yield f"{start}.edges.{side}", f"{named}.{_SIDES[side]}.state{edge.source}.{edge.op}.{norm}"
            if isinstance(layers, BlockLayers) and layers.after is not None:
                yield f"{start}.after", f"{named}.after.{norm}"


def _norm(block: Block, place: CellPlace, network: Network) -> str:
    """Name of the norm that a block has in its stage, see `Architecture.appearance_stages`."""
    deepest = network.architecture.appearance_stages
    is_replaced = deepest is not None and place.stage >= deepest and NORMALIZATIONS[block.norm].appearance
    return "bn" if is_replaced else block.norm


def _cell_inputs(network: Network) -> Iterator[tuple[str, _States]]:
    """Modules that read the output of a cell: their names, and the states of that output with their widths."""
    outputs = [_output_states(description, cell, place) for description, cell, place in _cells(network)]
    for index, place in enumerate(network.places):
        for name, source in (("match_previous", index - 1), ("match_before", index - place.reads_back)):
            if source >= 0:  # else it reads the stem
                yield f"cells.{index}.{name}", outputs[source]
    yield "classifier", outputs[-1]
    if network.auxiliary_head is not None:
        yield "auxiliary_head.mix.0", outputs[network.auxiliary_cell]


def _output_states(description: Cell, cell: CellLayers, place: CellPlace) -> _States:
    widths = [place.num_filters] * NUM_INPUTS
    widths += [block.num_channels for block in cell.blocks if isinstance(block, BlockLayers)]
    return [(state, widths[state]) for state in description.output_states]


def _cells(network: Network) -> Iterator[tuple[Cell, CellLayers, CellPlace]]:
    architecture: Architecture = network.architecture
    for cell, place in zip(network.cells, network.places, strict=True):
        if not isinstance(cell, CellLayers):
            raise RuntimeError(f"an internal error: a network of cells holds a {type(cell).__name__}")
        yield architecture.reduction if place.reduction else architecture.normal, cell, place
