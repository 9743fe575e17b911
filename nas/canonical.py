"""The exact canonical form of a cell: equal for two cells if and only if their labelled graphs are isomorphic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

NUM_INPUTS = 2

PlainEdges: TypeAlias = tuple[tuple[int, str], ...]
PlainBlock: TypeAlias = tuple[PlainEdges, str, str]
"""Edges as (source, op), combine, norm."""

_Readers: TypeAlias = tuple[tuple[tuple[int, str], ...], bool]


def canonical_form(
    blocks: Sequence[PlainBlock], outputs: Sequence[int]
) -> tuple[tuple[PlainBlock, ...], tuple[int, ...]]:
    """Finds, among all valid orders of the blocks and of their operands, the smallest encoding.

    Encodings compare block by block, so at each place only the smallest available block can stand; ties are followed
    one by one, but for twins: blocks that the same edges read are exchanged by a symmetry of the graph, so that one of
    them speaks for all.

    Args:
        blocks: each reads only hidden states 0, 1 and blocks before it; block b is hidden state b + 2.
        outputs: the hidden states that the cell gives out, in any order.

    Returns:
        The blocks in their smallest order, and the outputs as renumbered and sorted.
    """
    readers = [_readers(blocks, outputs, state) for state in range(NUM_INPUTS, len(blocks) + NUM_INPUTS)]
    best: list[tuple[tuple[PlainBlock, ...], tuple[int, ...]]] = []

    def place(numbers: dict[int, int], placed: tuple[PlainBlock, ...]) -> None:
        if len(placed) < len(blocks):
            for state, encoding in _smallest_available(blocks, numbers, readers):
                place({**numbers, state: len(numbers)}, (*placed, encoding))
            return
        candidate = placed, tuple(sorted(numbers[state] for state in outputs))
        if not best or candidate < best[0]:
            best[:] = [candidate]

    place({0: 0, 1: 1}, ())
    return best[0]


def _readers(blocks: Sequence[PlainBlock], outputs: Sequence[int], state: int) -> _Readers:
    """All that reads a hidden state: (block, op) for each edge, and whether the output does."""
    read = ((index, op) for index, (edges, _, _) in enumerate(blocks) for source, op in edges if source == state)
    return tuple(sorted(read)), state in outputs


def _smallest_available(
    blocks: Sequence[PlainBlock], numbers: dict[int, int], readers: Sequence[_Readers]
) -> list[tuple[int, PlainBlock]]:
    """The smallest of the unplaced blocks whose sources are placed: one for each set of twins."""
    available = [
        (_encode(block, numbers), state)
        for state, block in enumerate(blocks, start=NUM_INPUTS)
        if state not in numbers and all(source in numbers for source, _ in block[0])
    ]
    smallest = min(available)[0]
    twins: dict[_Readers, int] = {}
    for encoding, state in available:
        if encoding == smallest:
            twins.setdefault(readers[state - NUM_INPUTS], state)
    return [(state, smallest) for state in twins.values()]


def _encode(block: PlainBlock, numbers: dict[int, int]) -> PlainBlock:
    edges, combine, norm = block
    return tuple(sorted((numbers[source], op) for source, op in edges)), combine, norm
