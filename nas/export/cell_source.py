"""Source code of cells: one class each for the normal and the reduction cell, with explicit connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nas.architecture import Block, Cell
from nas.canonical import NUM_INPUTS
from nas.export.builders import call, norm_constant
from nas.models.normalization import NORMALIZATIONS
from nas.models.operations import OPERATIONS

BLOCK_SOURCE = '''\
class Block(nn.Module):
    """Two operations of a cell, optionally followed by a norm of their combination."""

    def __init__(self, left: nn.Module, right: nn.Module, after: nn.Module | None = None) -> None:
        super().__init__()
        self.edges = nn.ModuleList([left, right])
        self.after = after

    def add(self, left: HiddenState, right: HiddenState) -> HiddenState:
        """Applies each operation to its state and adds the results."""
        result = self.edges[0](left) + self.edges[1](right)
        return HiddenState(result if self.after is None else self.after(result))

    def concat(self, left: HiddenState, right: HiddenState) -> HiddenState:
        """Applies each operation to its state and concatenates the results."""
        results = self.edges[0](left), self.edges[1](right)
        return HiddenState(*results) if self.after is None else HiddenState(self.after(torch.cat(results, dim=1)))'''


_CELL = '''\
class {name}(nn.Module):
    """{does} the size of its input.

    Args:
        before: shape of p, the output of the cell before the previous one.
        previous: shape of h, the output of the previous cell.
        num_filters: filters of its operations.
        first: whether it is the first cell, which reads the stem's output as p unchanged.{appearance}
    """

    def __init__({arguments}) -> None:
        super().__init__()
        matched = StateShape(num_filters, previous.num_halvings)
        keeps_p = first or before == matched
        self.match_before = None if keeps_p else Matching(before, matched, NORMS, rectify=True)
        self.match_previous = Matching(previous, matched, NORMS, rectify=True)
{match_outputs}        # Channels of the hidden states that operations read.
{widths}
        def site(num_channels: int, norm: Normalization, stride: int = 1) -> Site:
            return Site(num_channels, num_filters, stride, OperationNorms(norm, NORMS){counts})

        self.blocks = nn.ModuleList(
            [
{blocks}            ]
        )

    def forward(self, before: HiddenState, previous: HiddenState) -> HiddenState:
        """Maps the outputs of two cells to that of this one."""
        p = before if self.match_before is None else self.match_before(before)
        h = self.match_previous(previous)
{states}'''
_APPEARANCE = "\n        appearance: whether norms that remove appearance are used, instead of batch normalization."


@dataclass(frozen=True, slots=True)
class CellSource:
    """Generates the class of a cell.

    Attributes:
        cell: description of the cell; its operations and norms must be in the tables.
        varies: whether some cells of the network use batch normalization instead of instance-type norms.
        counts_padding: see `nas.fidelity.NetworkSpec.average_counts_padding`.
    """

    cell: Cell
    reduction: bool
    varies: bool = False
    counts_padding: bool = False

    @property
    def name(self) -> str:
        """Name of the class."""
        return "ReductionCell" if self.reduction else "NormalCell"

    def text(self) -> str:
        """Returns the source of the class."""
        arguments = "self, before: StateShape, previous: StateShape, num_filters: int, *, first: bool = False"
        if self.varies:
            arguments = f"\n        {arguments}, appearance: bool = True\n    "
        return _CELL.format(
            name=self.name,
            does="Reduction cell, which halves" if self.reduction else "Normal cell, which keeps",
            appearance=_APPEARANCE if self.varies else "",
            arguments=arguments,
            match_outputs=_indent(8, self._match_outputs()),
            widths=_indent(8, self._widths()),
            counts=", average_counts_padding=True" if self.counts_padding else "",
            blocks=_indent(16, (line for state, block in self._states() for line in self._block(state, block))),
            states=_indent(8, self._forward()),
        )

    def _match_outputs(self) -> Iterator[str]:
        """Matches inputs of the cell that are among its outputs to the shape of its blocks' results."""
        inputs = [state for state in self.cell.output_states if state < NUM_INPUTS]
        if not inputs:
            return
        yield "# Inputs among the outputs are matched to the shape of the blocks' results."
        yield f"result = StateShape(num_filters, previous.num_halvings{' + 1' if self.reduction else ''})"
        yield "self.match_outputs = nn.ModuleDict()"
        for state in inputs:
            shape = "matched" if state else "before if keeps_p else matched"
            yield f"if {shape if state else f'({shape})'} != result:"
            yield f'    self.match_outputs["{state}"] = Matching({shape}, result, NORMS, rectify=False)'

    def _widths(self) -> Iterator[str]:
        read = {edge.source for block in self.cell.blocks for edge in block.edges}
        if 0 in read:
            yield "p = before.num_channels if keeps_p else num_filters"
        if 1 in read:
            yield "h = num_filters"
        for state, block in self._states():
            if state in read:
                yield f"s{state} = {_width(block)}"
        if self.varies:
            names = sorted({block.norm for block in self.cell.blocks if NORMALIZATIONS[block.norm].appearance})
            yield from (
                f"{norm_constant(name).lower()} = {norm_constant(name)} if appearance else NORM_BN" for name in names
            )

    def _block(self, state: int, block: Block) -> Iterator[str]:
        varies = self.varies and NORMALIZATIONS[block.norm].appearance
        norm = norm_constant(block.norm).lower() if varies else norm_constant(block.norm)
        yield f"Block(  # s{state}"
        for edge in block.edges:
            strided = ", stride=2" if self.reduction and edge.source < NUM_INPUTS else ""
            yield f"    {call(OPERATIONS[edge.op].build, f'site({state_name(edge.source)}, {norm}{strided})')},"
        after = NORMALIZATIONS[block.norm].after
        if after is not None:
            yield f"    {call(after, _width(block), 'NORMS')}{' if appearance else None' if varies else ''},"
        yield "),"

    def _forward(self) -> Iterator[str]:
        for state, block in self._states():
            left, right = (state_name(edge.source) for edge in block.edges)
            operations = ", ".join(f"{edge.op}({state_name(edge.source)})" for edge in block.edges)
            yield f"# {operations}; {block.norm}"
            yield f"s{state} = self.blocks[{state - NUM_INPUTS}].{block.combine}({left}, {right})"
        outputs = []
        for state in self.cell.output_states:
            name = state_name(state)
            outputs.append(name if state >= NUM_INPUTS else f"{name}_out")
            if state < NUM_INPUTS:
                matches = f'self.match_outputs["{state}"]'
                yield f'{name}_out = {matches}({name}) if "{state}" in self.match_outputs else {name}'
        yield f"return HiddenState({', '.join(outputs)})"

    def _states(self) -> Iterator[tuple[int, Block]]:
        return enumerate(self.cell.blocks, start=NUM_INPUTS)


def state_name(state: int) -> str:
    """Returns the name of a hidden state in exported source: p, h, s2, s3, ..."""
    return ("p", "h")[state] if state < NUM_INPUTS else f"s{state}"


def _width(block: Block) -> str:
    return "2 * num_filters" if block.combine == "concat" else "num_filters"


def _indent(width: int, lines: Iterable[str]) -> str:
    return "".join(" " * width + line + "\n" for line in lines)
