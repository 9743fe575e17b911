"""Orders the parts of a cell on layers, for few crossings and straight lines (the scheme of Sugiyama and others, 1981).

Each block lies on a layer above all that it reads. A connection that passes a layer gets a narrow place of its own
there, so that no line ever has to run through a box.
"""

from __future__ import annotations

import random
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx
import numpy as np
from scipy.optimize import isotonic_regression

from nas.architecture import Cell
from nas.canonical import NUM_INPUTS

UNIT_GAP, BEND_GAP = 20.0, 12.0
NUM_SWEEPS = 40


@dataclass(eq=False)
class Node:
    """Something with a place on a layer.

    Attributes:
        kind: ``input``, ``block``, ``output``, or ``bend``: where a line passes.
        state: which hidden state of the cell it is; that after the last one for the output, -1 for a bend.
        width: how much room it takes.
        port: how far from its middle the two operations of a block are; 0 for all others.
        x: where its middle is.
        mirrored: whether the first operation of a block stands at the right.
        below: links from the layer below.
        above: links to the layer above.
    """

    kind: str
    state: int
    width: float
    port: float = 0.0
    x: float = 0.0
    mirrored: bool = False
    below: list[Link] = field(default_factory=list)
    above: list[Link] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Link:
    """A piece of a connection between neighbouring layers.

    Attributes:
        tail: where it starts, below.
        head: where it ends, above.
        side: -1 if it ends at the first operation of a block, 1 if at the second, else 0.
    """

    tail: Node
    head: Node
    side: int

    @property
    def head_offset(self) -> float:
        """How far from the middle of its head the link ends."""
        return -self.side * self.head.port if self.head.mirrored else self.side * self.head.port

    @property
    def head_x(self) -> float:
        """Where it ends."""
        return self.head.x + self.head_offset


@dataclass(frozen=True, slots=True)
class Layers:
    """A cell in layers, from the inputs up; the last layer holds the output only.

    Attributes:
        levels: the nodes of each layer, from left to right.
        routes: for each connection its source and its links, from below to above.
    """

    levels: list[list[Node]]
    routes: list[tuple[int, list[Link]]]


def arrange(cell: Cell, widths: dict[str, float]) -> Layers:
    """Finds layers, their order and positions for the parts of a cell.

    Args:
        cell: what to arrange.
        widths: of an ``input``, a ``block``, the ``output``, and of the two operations of a block from middle to
            middle (``pair``).
    """
    layers = _layers(cell, widths)
    ports = {node: node.port for level in layers.levels for node in level}
    _order(layers.levels)
    for node, port in ports.items():
        node.port = port
    _place(layers.levels)
    return layers


def _layers(cell: Cell, widths: dict[str, float]) -> Layers:
    depths = {
        node: depth
        for depth, generation in enumerate(nx.topological_generations(cell.to_networkx()))
        for node in generation
    }
    output = len(cell.blocks) + NUM_INPUTS
    top = 1 + max(depths[state] for state in range(output))
    depths[output] = top
    levels: list[list[Node]] = [[] for _ in range(top + 1)]
    nodes = []
    for state in range(output + 1):
        kind = "input" if state < NUM_INPUTS else "output" if state == output else "block"
        nodes.append(Node(kind, state, widths[kind], widths["pair"] / 2 if kind == "block" else 0.0))
        levels[depths[state]].append(nodes[-1])
    edges = [
        (edge.source, state, side)
        for state, block in enumerate(cell.blocks, start=NUM_INPUTS)
        for side, edge in zip((-1, 1), block.edges, strict=True)
    ]
    edges += [(state, output, 0) for state in cell.output_states]
    routes = []
    for source, state, side in edges:
        bends = [Node("bend", -1, 0.0) for _ in range(depths[source] + 1, depths[state])]
        for depth, bend in enumerate(bends, start=depths[source] + 1):
            levels[depth].append(bend)
        routes.append((source, _chain([nodes[source], *bends, nodes[state]], side)))
    return Layers(levels, routes)


def _chain(nodes: Sequence[Node], side: int) -> list[Link]:
    links = [Link(tail, head, side if head is nodes[-1] else 0) for tail, head in pairwise(nodes)]
    for link in links:
        link.tail.above.append(link)
        link.head.below.append(link)
    return links


def _order(levels: list[list[Node]]) -> None:
    """Sorts each layer for few crossings: the best of several starts, each improved by sweeps and by swaps."""
    num_starts = max(1, min(12, 400 // sum(map(len, levels))))
    _, order, mirrored = min(
        (found for start in range(num_starts) for found in _improve(levels, start)), key=lambda found: found[0]
    )
    for level, best in zip(levels, order, strict=True):
        level[:] = best
        for node in level:
            node.mirrored = node in mirrored


def _improve(levels: list[list[Node]], start: int) -> Iterator[tuple[tuple[int, float], list[list[Node]], set[Node]]]:
    """Gives one order after another: cost, nodes, and which of them are mirrored. Start 0 is the order of the cell."""
    generator = random.Random(start)
    for level in levels:
        if start:
            generator.shuffle(level)
        _number(level)
    for _ in range(8):
        _sweep(levels)
        _swap(levels)
        mirrored = {node for level in levels for node in level if node.mirrored}
        yield _cost(levels), [list(level) for level in levels], mirrored


def _number(level: list[Node]) -> None:
    """Sets positions for the time of sorting: evenly around the middle."""
    for index, node in enumerate(level):
        node.x = index - (len(level) - 1) / 2
        node.port = min(node.port, 0.25)


def _sweep(levels: list[list[Node]]) -> None:
    """Sorts layer after layer by the mean position of what is linked below, then of what is linked above."""
    for level in levels[1:]:
        means = {node: _mean([link.tail.x for link in node.below], node.x) for node in level}
        level.sort(key=means.__getitem__)
        _number(level)
        _mirror(level)
    for level in reversed(levels[:-1]):
        means = {node: _mean([link.head_x for link in node.above], node.x) for node in level}
        level.sort(key=means.__getitem__)
        _number(level)
    for level in levels:
        _mirror(level)


def _mirror(level: list[Node]) -> None:
    """Puts the operation whose source is further left at the left."""
    for node in level:
        if node.port:
            first, second = sorted(node.below, key=lambda link: link.side)
            node.mirrored = first.tail.x > second.tail.x


def _swap(levels: list[list[Node]]) -> None:
    """Exchanges neighbours as long as that saves crossings."""
    for level in levels:
        for left in range(len(level) - 1):
            before = _crossings(level)
            if not before:
                break
            level[left], level[left + 1] = level[left + 1], level[left]
            _number(level)
            if _crossings(level) >= before:
                level[left], level[left + 1] = level[left + 1], level[left]
                _number(level)


def _cost(levels: list[list[Node]]) -> tuple[int, float]:
    links = [link for level in levels for node in level for link in node.above]
    crossings = sum(_inversions([link for node in level for link in node.above]) for level in levels)
    return crossings, sum(abs(link.tail.x - link.head_x) for link in links)


def _crossings(level: list[Node]) -> int:
    """Of the lines just below and just above a layer."""
    return _inversions([link for node in level for link in node.below]) + _inversions(
        [link for node in level for link in node.above]
    )


def _inversions(links: list[Link]) -> int:
    """How many pairs of links between two layers cross."""
    ends = [end for _, end in sorted((link.tail.x, link.head_x) for link in links)]
    count, seen = 0, list[float]()
    for end in ends:
        count += len(seen) - bisect_right(seen, end)
        insort(seen, end)
    return count


def _mean(values: list[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _place(levels: list[list[Node]]) -> None:
    """Moves nodes towards what they are linked to, keeping the order and the distances within each layer."""
    for level in levels:
        offsets = _offsets(level)
        for node, offset in zip(level, offsets, strict=True):
            node.x = float(offset - offsets[-1] / 2)
    for _ in range(NUM_SWEEPS):
        for level in (*levels, *reversed(levels)):
            _pull(level)


def _offsets(level: list[Node]) -> np.ndarray:
    """Least distances from the first node of a layer."""
    gaps = [0.0]
    for left, right in pairwise(level):
        gap = BEND_GAP if "bend" in (left.kind, right.kind) else UNIT_GAP
        gaps.append((left.width + right.width) / 2 + gap)
    return np.cumsum(gaps)


def _pull(level: list[Node]) -> None:
    """One step: the positions nearest, by weighted squares, to where the links pull and far enough from each other."""
    wishes, weights = [], []
    for node in level:
        pulls = [(link.tail.x - link.head_offset, _stiffness(link)) for link in node.below]
        pulls += [(link.head_x, _stiffness(link)) for link in node.above]
        total = sum(weight for _, weight in pulls)
        wishes.append(sum(x * weight for x, weight in pulls) / total if pulls else node.x)
        weights.append(total or 1.0)
    offsets = _offsets(level)
    fitted = isotonic_regression(np.array(wishes) - offsets, weights=np.array(weights)).x + offsets
    for node, x in zip(level, fitted, strict=True):
        node.x = float(x)


def _stiffness(link: Link) -> float:
    """Lines should be straight above all where they pass layers; the output is as wide as what comes to it."""
    if link.head.kind == "output":
        return 0.001
    num_bends = (link.tail.kind == "bend") + (link.head.kind == "bend")
    return (1.0, 3.0, 8.0)[num_bends]
