"""Arranges the parts of a cell in layers with few crossings and straight lines (Sugiyama et al., 1981).

Each block is on a layer above all its inputs. A connection that passes a layer has a narrow node of its own there, so
that no line runs through a box.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean

import networkx as nx
import numpy as np
from scipy.optimize import isotonic_regression

from nas.architecture import Cell
from nas.canonical import NUM_INPUTS

UNIT_GAP, BEND_GAP = 20.0, 12.0
NUM_SWEEPS = 40


@dataclass(eq=False, slots=True)
class Node:
    """A node of a layer.

    Attributes:
        kind: ``input``, ``block``, ``output``, or ``bend`` where a line passes.
        state: hidden state of the cell; the next number for the output, -1 for a bend.
        width: of its box.
        port: distance of the two operations of a block from its middle; 0 for other nodes.
        x: of its middle.
        mirrored: whether the first operation of a block is on the right.
        below: links from the layer below; for a block, to its first and its second operation.
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
    """A segment of a connection; `side` is -1 if it ends at the first operation of a block, 1 at the second, else 0."""

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
    """Nodes of each layer from left to right, the output alone last; source and links of each connection, upwards."""

    levels: list[list[Node]]
    routes: list[tuple[int, list[Link]]]


def arrange(cell: Cell, widths: dict[str, float]) -> Layers:
    """Computes layers, order and positions of the parts of a cell.

    `widths` has those of an ``input``, a ``block`` and the ``output``, and as ``pair`` the distance between the middles
    of the two operations of a block.
    """
    layers = _layers(cell, widths)
    _order(layers.levels)
    for _ in range(NUM_SWEEPS):
        for level in (*layers.levels, *reversed(layers.levels)):
            _pull(level)
    return layers


def _layers(cell: Cell, widths: dict[str, float]) -> Layers:
    generations = enumerate(nx.topological_generations(cell.to_networkx()))
    depths = {node: depth for depth, generation in generations for node in generation}
    output = len(cell.blocks) + NUM_INPUTS
    depths[output] = 1 + max(depths[state] for state in range(output))
    levels: list[list[Node]] = [[] for _ in range(depths[output] + 1)]
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
    """Sorts each layer for few crossings: the best of several starts, each improved by sweeps and swaps.

    The inputs stay in their order, so that they are on the same sides in every cell.
    """
    num_starts = max(1, min(12, 400 // sum(map(len, levels))))
    tries = (found for start in range(num_starts) for found in _improve(levels, start))
    _, order = min(tries, key=lambda found: found[0])
    for level, best in zip(levels, order, strict=True):
        level[:] = best
        _spread(level)


def _improve(levels: list[list[Node]], start: int) -> Iterator[tuple[tuple[int, float], list[list[Node]]]]:
    """Yields successive orders with their costs. Start 0 is the order of the cell, others are random."""
    generator = random.Random(start)
    for level in levels:
        if start and level is not levels[0]:
            generator.shuffle(level)
        _spread(level)
    for _ in range(4):
        _sweep(levels)
        _swap(levels)
        links = [link for level in levels for node in level for link in node.above]
        length = sum(abs(link.tail.x - link.head_x) for link in links)
        yield (sum(map(_crossings, levels)), length), [list(level) for level in levels]


def _spread(level: list[Node]) -> None:
    """Places a layer around the middle; the operation whose source is further left is on the left."""
    offsets = _offsets(level)
    for node, x in zip(level, (offsets - offsets[-1] / 2).tolist(), strict=True):
        node.x = x
        if node.kind == "block":
            first, second = node.below
            node.mirrored = first.tail.x > second.tail.x


def _sweep(levels: list[list[Node]]) -> None:
    """Sorts each layer by the mean position of its links below, then of its links above."""
    for level in levels[1:]:
        level.sort(key=lambda node: fmean(link.tail.x for link in node.below))
        _spread(level)
    for level in reversed(levels[1:-1]):
        level.sort(key=lambda node: fmean([link.head_x for link in node.above] or [node.x]))
        _spread(level)
    for level in levels:
        _spread(level)


def _swap(levels: list[list[Node]]) -> None:
    """Swaps neighbours where it reduces crossings."""
    for level in levels[1:]:
        for left in range(len(level) - 1):
            if not (before := _crossings(level)):
                break
            level[left : left + 2] = reversed(level[left : left + 2])
            _spread(level)
            if _crossings(level) >= before:
                level[left : left + 2] = reversed(level[left : left + 2])
                _spread(level)


def _crossings(level: list[Node]) -> int:
    """Crossings of the lines directly below and above a layer."""
    count = 0
    for links in ([link for node in level for link in node.below], [link for node in level for link in node.above]):
        tails, heads = np.array([(link.tail.x, link.head_x) for link in links]).reshape(-1, 2).T
        count += int(np.sum((tails[:, None] < tails) & (heads[:, None] > heads)))
    return count


def _offsets(level: list[Node]) -> np.ndarray:
    """Minimum distances from the first node of a layer."""
    gaps = [0.0]
    for left, right in pairwise(level):
        gap = BEND_GAP if "bend" in (left.kind, right.kind) else UNIT_GAP
        gaps.append((left.width + right.width) / 2 + gap)
    return np.cumsum(gaps)


def _pull(level: list[Node]) -> None:
    """Moves one layer to the positions nearest to its links, by weighted least squares, at the minimum distances."""
    wishes = np.array([_wish(node) for node in level])
    offsets = _offsets(level)
    fitted = isotonic_regression(wishes[:, 0] - offsets, weights=wishes[:, 1]).x + offsets
    for node, x in zip(level, fitted.tolist(), strict=True):
        node.x = x


def _wish(node: Node) -> tuple[float, float]:
    """The position nearest to its links, and the sum of their weights."""
    pulls = [(link.tail.x - link.head_offset, _stiffness(link)) for link in node.below]
    pulls += [(link.head_x, _stiffness(link)) for link in node.above]
    total = sum(weight for _, weight in pulls)
    return (sum(x * weight for x, weight in pulls) / total, total) if pulls else (node.x, 1.0)


def _stiffness(link: Link) -> float:
    """Weight of a straight link: highest through layers, lowest at the output, which is as wide as its inputs."""
    if link.head.kind == "output":
        return 0.001
    return (1.0, 3.0, 8.0)[(link.tail.kind, link.head.kind).count("bend")]
