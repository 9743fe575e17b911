"""Validation, JSON and the canonical form, the last against networkx's graph isomorphism."""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.architecture import MAX_BLOCKS, Architecture, Block, Cell, Edge, fingerprint_json
from search_spaces.nasnet import NASNET
from search_spaces.published import PUBLISHED

A, B = Edge(0, "conv_1x1"), Edge(1, "identity")


def random_cell(generator: random.Random, num_blocks: int, ops: tuple[str, ...], *, listed: bool = False) -> Cell:
    blocks = []
    for index in range(num_blocks):
        left, right = (Edge(generator.randrange(index + 2), generator.choice(ops)) for _ in range(2))
        combine, norm = generator.choice(("add", "concat")), generator.choice(("bn", "in"))
        labels = ("add", "bn") if len(ops) == 1 else (combine, norm)
        blocks.append(Block(left, right, *labels))
    cell = Cell(tuple(blocks))
    if not listed:
        return cell
    outputs = [state for state in range(num_blocks + 2) if generator.random() < 0.5]
    return Cell(tuple(blocks), tuple(generator.sample(outputs, len(outputs))) or (0,))


def shuffled(cell: Cell, generator: random.Random) -> Cell:
    """The same graph: blocks in another valid order, operands swapped, the output in another order."""
    numbers = {0: 0, 1: 1}
    blocks: list[Block] = []
    while len(blocks) < len(cell.blocks):
        ready = [
            state
            for state, block in enumerate(cell.blocks, start=2)
            if state not in numbers and all(edge.source in numbers for edge in block.edges)
        ]
        state = generator.choice(ready)
        block = cell.blocks[state - 2]
        edges = [Edge(numbers[edge.source], edge.op) for edge in block.edges]
        generator.shuffle(edges)
        blocks.append(Block(edges[0], edges[1], block.combine, block.norm))
        numbers[state] = len(numbers)
    concat = [numbers[state] for state in cell.output_states]
    generator.shuffle(concat)
    return Cell(tuple(blocks), None if cell.concat is None else tuple(concat))


def isomorphic(first: nx.MultiDiGraph[Any], second: nx.MultiDiGraph[Any]) -> bool:
    return nx.is_isomorphic(
        first,
        second,
        node_match=lambda one, other: one["label"] == other["label"],
        edge_match=lambda one, other: sorted(e["op"] for e in one.values()) == sorted(e["op"] for e in other.values()),
    )


def pair(cell: Cell) -> Architecture:
    return Architecture(cell, cell)


def from_graph(graph: nx.Graph[Any]) -> Cell:
    """A cell with a block for each vertex, all alike, and one for each edge, which reads those of its two ends."""
    numbers = {vertex: number for number, vertex in enumerate(graph.nodes, start=2)}
    vertices = [Block(Edge(0, "identity"), Edge(1, "identity"))] * len(numbers)
    edges = [Block(Edge(numbers[u], "identity"), Edge(numbers[v], "identity")) for u, v in graph.edges]
    return Cell((*vertices, *edges))


class TestValidation:
    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: Edge(-1, "identity"), "whole number from 0, got -1"),
            (lambda: Edge(True, "identity"), "whole number from 0, got True"),
            (lambda: Edge(0, "__import__('os')"), "op must be a name"),
            (lambda: Edge(0, "é"), "op must be a name"),
            (lambda: Edge(0, "x" * 65), "op must be a name"),
            (lambda: Block(A, B, "multiply"), "combine must be one of add, concat, got 'multiply'"),
            (lambda: Block(A, B, norm=""), "norm must be a name"),
            (lambda: Cell(()), "must have 1..64 blocks, got 0"),
            (lambda: Cell((Block(A, B),) * (MAX_BLOCKS + 1)), "must have 1..64 blocks, got 65"),
            (lambda: Cell((Block(A, B), Block(A, Edge(3, "identity")))), r"block 1 may read hidden states 0..2, got 3"),
            (lambda: Cell((Block(A, B),), ()), "one or more different hidden states"),
            (lambda: Cell((Block(A, B),), (2, 2)), "one or more different hidden states"),
            (lambda: Cell((Block(A, B),), (3,)), r"may hold hidden states 0..2, got 3"),
            (lambda: Architecture(Cell((Block(A, B),)), Cell((Block(A, B),)), -1), "appearance_stages"),
        ],
    )
    def test_what_cannot_be_is_refused(self, build: Callable[[], object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            build()

    def test_loose_ends_are_the_states_that_no_block_reads(self) -> None:
        cell = Cell((Block(A, B), Block(A, Edge(2, "identity")), Block(A, A)))
        assert cell.loose_ends == (3, 4)
        assert cell.output_states == (3, 4)
        assert Cell(cell.blocks, (4, 0)).output_states == (4, 0)


class TestJson:
    @pytest.mark.parametrize("name", PUBLISHED)
    def test_json_keeps_everything(self, name: str) -> None:
        architecture = Architecture(PUBLISHED[name].normal, PUBLISHED[name].reduction, appearance_stages=2)
        text = json.dumps(architecture.to_json(), allow_nan=False)
        assert Architecture.from_json(json.loads(text)) == architecture

    def test_combine_norm_and_concat_may_be_left_out(self) -> None:
        cell = Cell.from_json({"blocks": [{"left": [0, "conv_1x1"], "right": [1, "identity"]}]})
        assert cell == Cell((Block(A, B, "add", "bn"),), None)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (None, "an architecture must be an object with normal, reduction, got None"),
            ({"normal": {}}, "an architecture must have reduction, got normal"),
            (
                {"normal": {}, "reduction": {}, "name": 1},
                "may have only appearance_stages, normal, reduction, got name",
            ),
            ({"normal": {}, "reduction": {}}, "normal cell: a cell must have blocks, got nothing"),
            ({"normal": {"blocks": 3}, "reduction": {}}, "normal cell: the blocks of a cell must be a list, got 3"),
            ({"normal": {"blocks": [3]}, "reduction": {}}, "normal cell: a block must be an object with left, right"),
        ],
    )
    def test_messages_say_what_is_wrong_and_where(self, value: object, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Architecture.from_json(value)

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            (("normal", "concat"), [[2]]),
            (("normal", "concat"), [{}]),
            (("normal", "concat"), "234"),
            (("normal", "concat"), [float("nan")]),
            (("normal", "concat"), [10**400]),
            (("normal", "concat"), list(range(10_000))),
            (("reduction", "blocks", 0, "left"), [True, "identity"]),
            (("reduction", "blocks", 0, "left"), [10**4400, "identity"]),
            (("reduction", "blocks", 0, "left"), [float("inf"), "identity"]),
            (("reduction", "blocks", 0, "left"), [0, ["identity"]]),
            (("reduction", "blocks", 0, "right"), {"source": 0, "op": "identity"}),
            (("reduction", "blocks", 0, "combine"), None),
            (("reduction", "blocks", 0, "combine"), []),
            (("reduction", "blocks", 0, "norm"), {}),
            (("reduction", "blocks", 0, "norm"), "bn\n"),
            (("reduction", "blocks", 0), {"left": [0, "a"], "right": [0, "a"], "__class__": 1}),
            (("appearance_stages",), True),
            (("appearance_stages",), 1.0),
            (("appearance_stages",), -(10**30)),
        ],
    )
    def test_hostile_values_are_value_errors(self, place: tuple[Any, ...], value: object) -> None:
        description = copy.deepcopy(PUBLISHED["nasnet-a"].to_json())
        replace(description, place, value)
        with pytest.raises(ValueError):
            Architecture.from_json(description)

    @settings(max_examples=120, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_whatever_stands_anywhere_is_taken_or_a_value_error(self, data: st.DataObject) -> None:
        numbers = st.integers() | st.floats() | st.integers(-3, 8) | st.booleans()
        leaves = st.none() | numbers | st.text(max_size=5) | st.sampled_from(["identity", "add", "left", "blocks"])
        names = st.sampled_from(["left", "right", "blocks", "concat", "normal", "norm"]) | st.text(max_size=3)
        values = st.recursive(
            leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
        )
        description = copy.deepcopy(PUBLISHED["amoebanet-a"].to_json())
        replace(description, data.draw(st.sampled_from(list(places(description)))), data.draw(values))
        try:
            architecture = Architecture.from_json(description)
        except ValueError:
            return
        assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture
        assert len(architecture.fingerprint) == 32


def replace(description: Any, place: tuple[Any, ...], value: object) -> None:
    for key in place[:-1]:
        description = description[key]
    description[place[-1]] = value


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All paths to something in a piece of JSON."""
    if place:
        yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


class TestFingerprint:
    def test_orders_of_blocks_and_operands_do_not_count(self) -> None:
        generator = random.Random(0)
        for trial in range(1000):
            cell = random_cell(generator, 1 + trial % 8, ("identity", "conv_1x1"), listed=trial % 2 == 0)
            assert pair(cell).fingerprint == pair(shuffled(cell, generator)).fingerprint

    def test_orders_do_not_count_in_nasnets_space(self) -> None:
        generator = random.Random(1)
        for _ in range(500):
            decisions = tuple(generator.randrange(choice.num_options) for choice in NASNET.choices)
            architecture = NASNET.decode(decisions)
            other = Architecture(shuffled(architecture.normal, generator), shuffled(architecture.reduction, generator))
            assert architecture.fingerprint == other.fingerprint

    @pytest.mark.parametrize("listed", [False, True])
    def test_equal_if_and_only_if_isomorphic(self, listed: bool) -> None:
        """All pairs of hundreds of cells from a space so small that many are isomorphic."""
        generator = random.Random(2)
        cells = [random_cell(generator, 2 if listed else 3, ("identity",), listed=listed) for _ in range(200)]
        graphs = [cell.to_networkx() for cell in cells]
        fingerprints = [pair(cell).fingerprint for cell in cells]
        num_equal = 0
        for first, second in itertools.combinations(range(len(cells)), 2):
            equal = isomorphic(graphs[first], graphs[second])
            num_equal += equal
            assert equal == (fingerprints[first] == fingerprints[second])
        assert num_equal > 100

    def test_one_small_change_makes_another_graph_or_the_same_fingerprint(self) -> None:
        """Near misses: thousands of cells against themselves with one edge, norm or combination changed."""
        generator = random.Random(3)
        for _ in range(1500):
            cell = random_cell(generator, 6, ("identity", "conv_1x1"))
            changed = shuffled(with_one_change(cell, generator), generator)
            equal = isomorphic(cell.to_networkx(), changed.to_networkx())
            assert equal == (pair(cell).fingerprint == pair(changed).fingerprint)

    def test_whole_architectures(self) -> None:
        """Cells are compared each with its own kind, and the two are not exchanged."""
        generator = random.Random(4)
        cells = [random_cell(generator, 2, ("identity",)) for _ in range(12)]
        architectures = [Architecture(*generator.sample(cells, 2)) for _ in range(60)]
        for first, second in itertools.combinations(architectures, 2):
            equal = isomorphic(first.to_networkx(), second.to_networkx())
            assert equal == (first.fingerprint == second.fingerprint)

    def test_appearance_stages_count(self) -> None:
        cell = Cell((Block(A, B, norm="in"),))
        prints = {Architecture(cell, cell, stages).fingerprint for stages in (None, 0, 1, 2)}
        assert len(prints) == 4

    def test_the_canonical_architecture_is_one_of_its_own_class(self) -> None:
        generator = random.Random(5)
        for _ in range(300):
            cell = random_cell(generator, 5, ("identity", "conv_1x1"), listed=True)
            canonical = cell.canonical()
            assert isomorphic(cell.to_networkx(), canonical.to_networkx())
            assert canonical.canonical() == canonical


def with_one_change(cell: Cell, generator: random.Random) -> Cell:
    index = generator.randrange(len(cell.blocks))
    block = cell.blocks[index]
    match generator.randrange(4):
        case 0:
            block = Block(Edge(generator.randrange(index + 2), block.left.op), block.right, block.combine, block.norm)
        case 1:
            block = Block(block.left, Edge(block.right.source, block.left.op), block.combine, block.norm)
        case 2:
            block = Block(block.left, block.right, "add", block.norm)
        case _:
            block = Block(block.left, block.right, block.combine, "bn")
    return Cell((*cell.blocks[:index], block, *cell.blocks[index + 1 :]))


HARD = {
    "24 vertices of degree 3, no symmetry": nx.random_regular_graph(3, 24, seed=1),
    "Petersen": nx.petersen_graph(),
    "complete": nx.complete_graph(10),
    "Desargues": nx.desargues_graph(),
    "six tetrahedra": nx.disjoint_union_all([nx.complete_graph(4)] * 6),
    "triangles and squares": nx.disjoint_union_all([nx.cycle_graph(3)] * 5 + [nx.cycle_graph(4)] * 4),
    "stars": nx.disjoint_union_all([nx.star_graph(3)] * 8),
    "no edge": nx.empty_graph(MAX_BLOCKS),
}


class TestHardCells:
    """Cells of up to 64 blocks, most of them alike, where trying all orders would never end."""

    @pytest.mark.parametrize("name", HARD)
    def test_many_equal_blocks(self, name: str, counted_nodes: list[None]) -> None:
        cell, generator = from_graph(HARD[name]), random.Random(0)
        assert len(cell.blocks) > 20
        canonical = cell.canonical()
        assert len(counted_nodes) < len(cell.blocks) ** 2  # all orders of 20 equal blocks are 10**18
        assert shuffled(cell, generator).canonical() == canonical

    def test_graphs_that_look_alike_everywhere_are_told_apart(self) -> None:
        """Both have 12 vertices of degree 2, which no refinement of colours alone tells apart."""
        hexagons = nx.disjoint_union_all([nx.cycle_graph(6)] * 2)
        triangles = nx.disjoint_union_all([nx.cycle_graph(3)] * 4)
        assert pair(from_graph(hexagons)).fingerprint != pair(from_graph(triangles)).fingerprint

    def test_the_smallest_strongly_regular_pair_is_told_apart(self) -> None:
        """4 x 4 rook's graph and Shrikhande graph: same parameters (16, 6, 2, 2), not isomorphic."""
        rook = nx.line_graph(nx.complete_bipartite_graph(4, 4))
        steps = [(0, 1), (1, 0), (1, 1)]
        shrikhande: nx.Graph[Any] = nx.Graph()
        for x, y in itertools.product(range(4), repeat=2):
            shrikhande.add_edges_from(((x, y), ((x + dx) % 4, (y + dy) % 4)) for dx, dy in steps)
        assert {degree for _, degree in shrikhande.degree} == {degree for _, degree in rook.degree} == {6}
        assert pair(from_graph(rook)).fingerprint != pair(from_graph(shrikhande)).fingerprint

    def test_towers_of_twins(self) -> None:
        blocks = [Block(A, B), Block(A, B)]
        for _ in range(20):
            first, second = len(blocks), len(blocks) + 1
            blocks.append(Block(Edge(first, "identity"), Edge(second, "conv_1x1")))
            blocks.append(Block(Edge(second, "identity"), Edge(first, "conv_1x1")))
        cell = Cell(tuple(blocks))
        assert cell.canonical() == shuffled(cell, random.Random(0)).canonical()


def test_fingerprints_of_plain_data() -> None:
    assert fingerprint_json({"a": 1, "b": [2]}) == fingerprint_json({"b": [2], "a": 1})
    assert fingerprint_json([1, 2]) != fingerprint_json([2, 1])
    with pytest.raises(ValueError):
        fingerprint_json(float("nan"))


def test_equal_edges_are_made_once_so_that_long_ledgers_are_read_fast() -> None:
    value = {"blocks": [{"left": [0, "conv_3x3"], "right": [1, "identity"]}]}
    first, second = (Cell.from_json(json.loads(json.dumps(value))) for _ in range(2))
    assert first.blocks[0].left is second.blocks[0].left
