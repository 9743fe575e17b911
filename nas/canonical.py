"""Exact canonical form of a cell: equal for two cells if and only if their labelled graphs are isomorphic.

Hidden states are colored by properties of the labelled graph, and colors are refined until states of equal color read,
and are read by, states of equal colors. If several states still share a color, each of them in turn is individualized
and the colors are refined again; the canonical form is the smallest encoding at the leaves of this search. Equal leaves
reveal a symmetry of the graph, which prunes equivalent branches, so cells with many equal parts take no longer than
others (individualization and refinement; McKay, 1981).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

NUM_INPUTS = 2

PlainEdges: TypeAlias = tuple[tuple[int, str], ...]
PlainBlock: TypeAlias = tuple[PlainEdges, str, str]
"""Edges as (source, op) pairs, combine, norm."""

CanonicalForm: TypeAlias = tuple[tuple[PlainBlock, ...], tuple[int, ...]]
"""Blocks and output states."""

_Order: TypeAlias = tuple[int, ...]


def canonical_form(blocks: Sequence[PlainBlock], outputs: Sequence[int]) -> CanonicalForm:
    """Computes the canonical order of a cell's blocks and their operands, and its renumbered output states, sorted.

    The blocks are given in topological order (block b is hidden state b + 2), and the output states in any order.
    """
    search = _Search(blocks, outputs)
    search.descend(search.initial_colors(), ())
    return min(search.leaves)


@dataclass
class _Search:
    """One search over the ways to individualize states of equal color.

    Attributes:
        leaves: for each encoding found, the order of states that gives it and the states individualized on the way.
        symmetries: permutations of the states that leave the graph unchanged.
    """

    blocks: Sequence[PlainBlock]
    outputs: Sequence[int]
    leaves: dict[CanonicalForm, tuple[_Order, _Order]] = field(default_factory=dict)
    symmetries: list[dict[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.edges: list[PlainEdges] = [()] * NUM_INPUTS + [edges for edges, _, _ in self.blocks]
        self.readers: list[list[tuple[int, str]]] = [[] for _ in self.edges]
        for state, edges in enumerate(self.edges):
            for source, op in edges:
                self.readers[source].append((state, op))

    def initial_colors(self) -> list[int]:
        """Colors inputs by number, blocks by combine and norm, and all states by whether they are outputs."""
        inputs = [(state, "", "", state in self.outputs) for state in range(NUM_INPUTS)]
        numbered = enumerate(self.blocks, start=NUM_INPUTS)
        labels = [(NUM_INPUTS, combine, norm, state in self.outputs) for state, (_, combine, norm) in numbered]
        return _rank([*inputs, *labels])

    def descend(self, colors: list[int], individualized: _Order) -> int:
        """Explores all leaves below this node; returns how many individualized states the search continues with."""
        colors = self._refine(colors)
        shared = _first_shared(colors)
        if not shared:
            return self._leaf(colors, individualized)
        explored: list[int] = []
        for state in shared:
            if self._is_equivalent(state, explored, individualized):
                continue
            separate = [2 * color + (color == colors[state] and other != state) for other, color in enumerate(colors)]
            depth = self.descend(separate, (*individualized, state))
            if depth < len(individualized):
                return depth
            explored.append(state)
        return len(individualized)

    def _refine(self, colors: list[int]) -> list[int]:
        """Refines colors until states of equal color have equal edges and readers, colors included."""
        num_colors = len(set(colors))
        while num_colors < len(colors):
            neighbors = [
                [tuple(sorted((colors[other], op) for other, op in each)) for each in side]
                for side in (self.edges, self.readers)
            ]
            colors = _rank(list(zip(colors, *neighbors, strict=True)))
            if len(set(colors)) == num_colors:
                break
            num_colors = len(set(colors))
        return colors

    def _leaf(self, colors: list[int], individualized: _Order) -> int:
        """Records the encoding of a leaf. An encoding that is known already reveals a symmetry."""
        order = self._sort(colors)
        encoding = self._encode(order)
        if encoding not in self.leaves:
            self.leaves[encoding] = order, individualized
            return len(individualized)
        known, known_individualized = self.leaves[encoding]
        self.symmetries.append(dict(zip(known, order, strict=True)))
        # The branch below the point where the paths diverge is the image of one that was explored completely.
        pairs = enumerate(zip(known_individualized, individualized, strict=False))
        return next(depth for depth, (first, second) in pairs if first != second)

    def _is_equivalent(self, state: int, explored: list[int], individualized: _Order) -> bool:
        """Returns whether a symmetry that fixes the individualized states maps an explored state to this one."""
        symmetries = [each for each in self.symmetries if all(each[kept] == kept for kept in individualized)]
        reached, pending = set(explored), list(explored)
        while pending:
            current = pending.pop()
            images = {symmetry[current] for symmetry in symmetries} - reached
            reached |= images
            pending.extend(images)
        return state in reached

    def _sort(self, colors: list[int]) -> _Order:
        """Orders the states topologically, by color where the order is free."""
        order = list(range(NUM_INPUTS))
        remaining = sorted(range(NUM_INPUTS, len(colors)), key=colors.__getitem__)
        while remaining:
            state = next(s for s in remaining if all(source in order for source, _ in self.edges[s]))
            remaining.remove(state)
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
    """Replaces each key by the number of smaller different keys."""
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return [ranks[key] for key in keys]


def _first_shared(colors: Sequence[int]) -> list[int]:
    """Returns the states of the smallest color shared by several; empty if all colors are unique."""
    shared = min((color for color, count in Counter(colors).items() if count > 1), default=None)
    return [state for state, color in enumerate(colors) if color == shared]
