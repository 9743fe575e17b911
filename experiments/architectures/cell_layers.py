"""Arranges the parts of a cell in layers with few crossings and straight lines (Sugiyama et al., 1981).

Each block is on a layer above all its inputs. A connection that passes a layer has a narrow node of its own there, so
that no line runs through a box.
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
    """A node of a layer.

    Attributes:
        kind: ``input``, ``block``, ``output``, or ``bend`` where a line passes.
        state: hidden state of the cell; the next number for the output, -1 for a bend.
        width: of its box.
        port: distance of the two operations of a block from its middle; 0 for other nodes.
        x: of its middle.
        mirrored: whether the first operation of a block is on the right.
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
    """A segment of a connection between adjacent layers.

    Attributes:
        tail: its lower end.
        head: its upper end.
        side: -1 if it ends at the first operation of a block, 1 if at the second, else 0.
    """

    tail: Node
    head: Node
    side: int

    @property
    def head_offset(self) -> float:
        """Distance of its end from the middle of its head."""
        return -self.side * self.head.port if self.head.mirrored else self.side * self.head.port

    @property
    def head_x(self) -> float:
        """Position of its end."""
        return self.head.x + self.head_offset


@dataclass(frozen=True, slots=True)
class Layers:
    """A cell in layers, from the inputs up; the last layer has the output only.

    Attributes:
        levels: the nodes of each layer, from left to right.
        routes: source and links of each connection, from below to above.
    """

    levels: list[list[Node]]
    routes: list[tuple[int, list[Link]]]


def arrange(cell: Cell, widths: dict[str, float]) -> Layers:
    """Computes layers, order and positions of the parts of a cell.

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
    """Sorts each layer for few crossings: the best of several starts, each improved by sweeps and swaps."""
    num_starts = max(1, min(12, 400 // sum(map(len, levels))))
    _, order, mirrored = min(
        (found for start in range(num_starts) for found in _improve(levels, start)), key=lambda found: found[0]
    )
    for level, best in zip(levels, order, strict=True):
        level[:] = best
        for node in level:
            node.mirrored = node in mirrored


def _improve(levels: list[list[Node]], start: int) -> Iterator[tuple[tuple[int, float], list[list[Node]], set[Node]]]:
    """Yields successive orders: cost, nodes, and the mirrored ones. Start 0 is the order of the cell."""
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
    """Sets temporary positions for sorting, evenly around the middle."""
    for index, node in enumerate(level):
        node.x = index - (len(level) - 1) / 2
        node.port = min(node.port, 0.25)


def _sweep(levels: list[list[Node]]) -> None:
    """Sorts each layer by the mean position of its links below, then of its links above."""
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
    """Puts the operation whose source is further left on the left."""
    for node in level:
        if node.port:
            first, second = sorted(node.below, key=lambda link: link.side)
            node.mirrored = first.tail.x > second.tail.x


def _swap(levels: list[list[Node]]) -> None:
    """Swaps neighbours where it reduces crossings."""
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
    """Crossings of the lines directly below and above a layer."""
    return _inversions([link for node in level for link in node.below]) + _inversions(
        [link for node in level for link in node.above]
    )


def _inversions(links: list[Link]) -> int:
    """Number of crossing pairs of links between two layers."""
    ends = [end for _, end in sorted((link.tail.x, link.head_x) for link in links)]
    count, seen = 0, list[float]()
    for end in ends:
        count += len(seen) - bisect_right(seen, end)
        insort(seen, end)
    return count


def _mean(values: list[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _place(levels: list[list[Node]]) -> None:
    """Moves nodes towards their links, keeping the order and the distances within each layer."""
    for level in levels:
        offsets = _offsets(level)
        for node, offset in zip(level, offsets, strict=True):
            node.x = float(offset - offsets[-1] / 2)
    for _ in range(NUM_SWEEPS):
        for level in (*levels, *reversed(levels)):
            _pull(level)


def _offsets(level: list[Node]) -> np.ndarray:
    """Minimum distances from the first node of a layer."""
    gaps = [0.0]
    for left, right in pairwise(level):
        gap = BEND_GAP if "bend" in (left.kind, right.kind) else UNIT_GAP
        gaps.append((left.width + right.width) / 2 + gap)
    return np.cumsum(gaps)


def _pull(level: list[Node]) -> None:
    """Moves one layer to the positions nearest to its links, by weighted least squares, at the minimum distances."""
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
    """Weight of a straight link: highest through layers, lowest at the output, which is as wide as its inputs."""
    if link.head.kind == "output":
        return 0.001
    num_bends = (link.tail.kind == "bend") + (link.head.kind == "bend")
    return (1.0, 3.0, 8.0)[num_bends]
