"""The exact canonical form of a cell: equal for two cells if and only if their labelled graphs are isomorphic.

Hidden states get colours that depend on nothing but the labelled graph, refined until states of one colour read, and
are read by, the same colours. Mostly each state then has its own. Where some share one, each of them in turn is told
apart from the others and the colours are refined again, and the smallest of the encodings at the ends of that search
stands for all. Ends that are equal show a symmetry of the graph, which spares its like in the rest of the search
(McKay's individualization and refinement, 1981), so that cells of many equal parts take no longer than others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

NUM_INPUTS = 2

PlainEdges: TypeAlias = tuple[tuple[int, str], ...]
PlainBlock: TypeAlias = tuple[PlainEdges, str, str]
"""Edges as (source, op), combine, norm."""

CanonicalForm: TypeAlias = tuple[tuple[PlainBlock, ...], tuple[int, ...]]
"""Blocks, and the hidden states that are given out."""

_Order: TypeAlias = tuple[int, ...]


def canonical_form(blocks: Sequence[PlainBlock], outputs: Sequence[int]) -> CanonicalForm:
    """Brings the blocks of a cell, and their operands, into the order that represents all isomorphic cells.

    Args:
        blocks: each reads only hidden states 0, 1 and blocks before it; block b is hidden state b + 2.
        outputs: the hidden states that the cell gives out, in any order.

    Returns:
        The blocks in an order in which each reads only what comes before it, and the outputs as renumbered and sorted.
    """
    search = _Search(blocks, outputs)
    search.descend(search.first_colours(), ())
    return min(search.ends)


@dataclass
class _Search:
    """One search through the ways to tell equally coloured states apart.

    Attributes:
        ends: what was reached so far: the encoding, the states in the order that gives it, and the states that were
            told apart on the way.
        symmetries: permutations of the states that leave the graph as it is.
    """

    blocks: Sequence[PlainBlock]
    outputs: Sequence[int]
    ends: dict[CanonicalForm, tuple[_Order, _Order]] = field(default_factory=dict)
    symmetries: list[dict[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.edges: list[PlainEdges] = [()] * NUM_INPUTS + [edges for edges, _, _ in self.blocks]
        self.readers: list[list[tuple[int, str]]] = [[] for _ in self.edges]
        for state, edges in enumerate(self.edges):
            for source, op in edges:
                self.readers[source].append((state, op))

    def first_colours(self) -> list[int]:
        """Inputs are told apart, blocks by combine and norm, and all by whether they are given out."""
        inputs = [(state, "", "", state in self.outputs) for state in range(NUM_INPUTS)]
        labels = [
            (NUM_INPUTS, combine, norm, state in self.outputs)
            for state, (_, combine, norm) in enumerate(self.blocks, start=NUM_INPUTS)
        ]
        return _rank([*inputs, *labels])

    def descend(self, colours: list[int], apart: _Order) -> int:
        """Follows all ways on from here.

        Returns:
            How many of the states told apart stay so: the search goes on from there.
        """
        colours = self._refine(colours)
        shared = _first_shared(colours)
        if not shared:
            return self._end(colours, apart)
        followed: list[int] = []
        for state in shared:
            if self._is_like(state, followed, apart):
                continue
            separate = [
                2 * colour + (colour == colours[state] and other != state) for other, colour in enumerate(colours)
            ]
            depth = self.descend(separate, (*apart, state))
            if depth < len(apart):
                return depth
            followed.append(state)
        return len(apart)

    def _refine(self, colours: list[int]) -> list[int]:
        """Splits colours until states of one colour have equal edges and readers, colour by colour."""
        num_colours = len(set(colours))
        while num_colours < len(colours):
            colours = _rank(
                [
                    (
                        colours[state],
                        sorted((colours[source], op) for source, op in edges),
                        sorted((colours[reader], op) for reader, op in readers),
                    )
                    for state, (edges, readers) in enumerate(zip(self.edges, self.readers, strict=True))
                ]
            )
            if len(set(colours)) == num_colours:
                break
            num_colours = len(set(colours))
        return colours

    def _end(self, colours: list[int], apart: _Order) -> int:
        """Each state has its own colour: notes the encoding. One known from before shows a symmetry."""
        order = self._sort(colours)
        encoding = self._encode(order)
        if encoding not in self.ends:
            self.ends[encoding] = order, apart
            return len(apart)
        known, known_apart = self.ends[encoding]
        self.symmetries.append(dict(zip(known, order, strict=True)))
        # The branch since the paths parted is the image of one that was followed to all its ends.
        return next(depth for depth, pair in enumerate(zip(known_apart, apart, strict=False)) if pair[0] != pair[1])

    def _is_like(self, state: int, followed: list[int], apart: _Order) -> bool:
        """Whether a symmetry that keeps the states told apart so far takes a followed state to this one."""
        if not followed:
            return False
        symmetries = [symmetry for symmetry in self.symmetries if all(symmetry[kept] == kept for kept in apart)]
        reached, pending = set(followed), list(followed)
        while pending:
            current = pending.pop()
            images = {symmetry[current] for symmetry in symmetries} - reached
            reached |= images
            pending.extend(images)
        return state in reached

    def _sort(self, colours: list[int]) -> _Order:
        """The order of the states by colour, but for that each comes after what it reads."""
        order: list[int] = list(range(NUM_INPUTS))
        remaining = sorted(range(NUM_INPUTS, len(colours)), key=colours.__getitem__)
        placed = set(order)
        while remaining:
            state = next(s for s in remaining if all(source in placed for source, _ in self.edges[s]))
            remaining.remove(state)
            placed.add(state)
            order.append(state)
        return tuple(order)

    def _encode(self, order: _Order) -> CanonicalForm:
        numbers = {state: number for number, state in enumerate(order)}
        blocks = []
        for state in order[NUM_INPUTS:]:
            edges, combine, norm = self.blocks[state - NUM_INPUTS]
            blocks.append((tuple(sorted((numbers[source], op) for source, op in edges)), combine, norm))
        return tuple(blocks), tuple(sorted(numbers[state] for state in self.outputs))


def _rank(keys: Sequence[Any]) -> list[int]:
    """Replaces each key by how many different keys are smaller."""
    ranks: list[int] = [0] * len(keys)
    rank, previous = -1, None
    for state in sorted(range(len(keys)), key=keys.__getitem__):
        if keys[state] != previous:
            rank, previous = rank + 1, keys[state]
        ranks[state] = rank
    return ranks


def _first_shared(colours: Iterable[int]) -> list[int]:
    """The states of the smallest colour that several have; none if each has its own."""
    states: dict[int, list[int]] = {}
    for state, colour in enumerate(colours):
        states.setdefault(colour, []).append(state)
    return min(((colour, shared) for colour, shared in states.items() if len(shared) > 1), default=(0, []))[1]
