"""Search spaces of cells made of blocks of two operations: NASNet's, and others of the same form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.architecture import COMBINES, MAX_BLOCKS, Architecture, Block, Cell, Edge
from nas.canonical import NUM_INPUTS
from nas.decisions import Choice, check_decisions
from nas.names import NORMALIZATION_NAMES, OPERATION_NAMES, check_known

CELLS = ("normal", "reduction")

_Option = TypeVar("_Option", str, int, int | None)
_Names = Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class CellSpace:
    """All pairs of a normal and a reduction cell with a given number of blocks (NASNet, 1707.07012, section 3).

    Each block takes six decisions: *source, source, op, op, combine, norm*. The decisions of the normal cell precede
    those of the reduction cell, and the output of a cell is its loose ends. A choice with a single option takes no
    decision, so a space with one norm has exactly NASNet's choices: 50 with 5 blocks.

    Attributes:
        ops: names of the operations, of `nas.names.OPERATION_NAMES`, in the order of their options.
        num_blocks: number of blocks in each cell (B).
        combines: ways to combine the two results of a block.
        norms: names of the normalizations, of `nas.names.NORMALIZATION_NAMES`.
        norm_granularity: ``block`` decides a norm for each block, ``cell`` one for all blocks of a cell, after them.
        appearance_stages: options for the number of stages that use the chosen instance-type norms; None means all
            stages. Decided last (IBN-Net, 1807.09441, uses such norms only in shallow stages).

    Example:
        >>> import nas
        >>> space = nas.CellSpace(ops=("identity", "conv_3x3"), num_blocks=2, norms=("bn", "gn"))
        >>> len(space.choices)
        24
    """

    ops: _Names
    num_blocks: Annotated[int, Field(ge=1, le=MAX_BLOCKS)] = 5
    combines: _Names = COMBINES
    norms: _Names = ("bn",)
    norm_granularity: Literal["block", "cell"] = "block"
    appearance_stages: Annotated[tuple[int | None, ...], Field(min_length=1)] = (None,)

    def __post_init__(self) -> None:
        for name in ("ops", "combines", "norms", "appearance_stages"):
            options = getattr(self, name)
            if len(set(options)) != len(options):
                raise ValueError(f"{name} must be unique, got {', '.join(map(str, options))}")
        check_known("ops", self.ops, OPERATION_NAMES)
        check_known("norms", self.norms, NORMALIZATION_NAMES)
        for combine in self.combines:
            Block(Edge(0, "identity"), Edge(0, "identity"), combine)
        for stages in self.appearance_stages:
            if stages is not None and stages < 0:
                raise ValueError(f"appearance_stages must be integers of at least 0, or null, got {stages}")

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The decisions to be made, in order, with names such as ``normal/block0/left/source``."""
        return tuple(choice for choice in self._all_choices() if choice.num_options > 1)

    def decode(self, decisions: tuple[int, ...]) -> Architecture:
        """Turns one decision per choice into an architecture; raises ValueError if they are not of this space."""
        check_decisions(decisions, self.choices)
        remaining = iter(decisions)
        normal, reduction = (self._decode_cell(remaining) for _ in CELLS)
        return Architecture(normal, reduction, _pick(self.appearance_stages, remaining))

    def encode(self, architecture: Architecture) -> tuple[int, ...]:
        """Inverse of `decode`, which lists no output states; raises ValueError for architectures of other spaces."""
        options: list[int] = []
        for name in CELLS:
            try:
                options.extend(self._encode_cell(getattr(architecture, name)))
            except ValueError as error:
                raise ValueError(f"{name} cell: {error}") from None
        options.append(_find("appearance_stages", architecture.appearance_stages, self.appearance_stages))
        return tuple(
            option for option, choice in zip(options, self._all_choices(), strict=True) if choice.num_options > 1
        )

    def _all_choices(self) -> Iterator[Choice]:
        """All choices, including those with a single option."""
        for cell in CELLS:
            for block in range(self.num_blocks):
                place = f"{cell}/block{block}"
                yield Choice(f"{place}/left/source", "source", block + NUM_INPUTS)
                yield Choice(f"{place}/right/source", "source", block + NUM_INPUTS)
                yield Choice(f"{place}/left/op", "op", len(self.ops))
                yield Choice(f"{place}/right/op", "op", len(self.ops))
                yield Choice(f"{place}/combine", "combine", len(self.combines))
                if self.norm_granularity == "block":
                    yield Choice(f"{place}/norm", "norm", len(self.norms))
            if self.norm_granularity == "cell":
                yield Choice(f"{cell}/norm", "norm", len(self.norms))
        yield Choice("appearance_stages", "appearance_stages", len(self.appearance_stages))

    def _decode_cell(self, remaining: Iterator[int]) -> Cell:
        by_block = self.norm_granularity == "block"
        blocks = []
        for _ in range(self.num_blocks):
            left_source, right_source = next(remaining), next(remaining)
            left, right = (Edge(source, _pick(self.ops, remaining)) for source in (left_source, right_source))
            combine = _pick(self.combines, remaining)
            blocks.append(Block(left, right, combine, _pick(self.norms if by_block else self.norms[:1], remaining)))
        if not by_block:
            shared = _pick(self.norms, remaining)
            blocks = [replace(block, norm=shared) for block in blocks]
        return Cell(tuple(blocks))

    def _encode_cell(self, cell: Cell) -> Iterator[int]:
        if len(cell.blocks) != self.num_blocks:
            raise ValueError(f"cells of this space must have {self.num_blocks} blocks, got {len(cell.blocks)}")
        if set(cell.output_states) != set(cell.loose_ends):
            ends, came = list(cell.loose_ends), list(cell.output_states)
            raise ValueError(f"the output of a cell of this space must be its loose ends {ends}, got {came}")
        for block in cell.blocks:
            yield block.left.source
            yield block.right.source
            yield _find("op", block.left.op, self.ops)
            yield _find("op", block.right.op, self.ops)
            yield _find("combine", block.combine, self.combines)
            if self.norm_granularity == "block":
                yield _find("norm", block.norm, self.norms)
        if self.norm_granularity == "cell":
            yield self._shared_norm(cell)

    def _shared_norm(self, cell: Cell) -> int:
        norms = {block.norm for block in cell.blocks}
        if len(norms) > 1:
            raise ValueError(f"the blocks of a cell of this space must share one norm, got {', '.join(sorted(norms))}")
        return _find("norm", norms.pop(), self.norms)


def _pick(options: Sequence[_Option], remaining: Iterator[int]) -> _Option:
    """The next decision's option; a single option takes no decision."""
    return options[next(remaining)] if len(options) > 1 else options[0]


def _find(what: str, option: _Option, options: Sequence[_Option]) -> int:
    try:
        return options.index(option)
    except ValueError:
        raise ValueError(f"{what} must be one of {', '.join(map(str, options))}, got {option}") from None
