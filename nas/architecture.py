"""Immutable descriptions of cells and architectures, compared by an exact canonical form.

Hidden states of a cell are numbered: 0 is the output of the cell before the previous one, 1 the output of the previous
cell, and 2, 3, ... are the results of the blocks in order (NASNet, 1707.07012, section 3).
"""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import astuple, dataclass
from functools import cached_property, lru_cache
from typing import Any

import networkx as nx

from nas.canonical import NUM_INPUTS, canonical_form
from nas.plugins import is_reference

COMBINES = ("add", "concat")
MAX_BLOCKS = 64
_SAME_NORM = {"syncbn": "bn"}  # identical within one process, and therefore in every search


@dataclass(frozen=True, slots=True)
class Edge:
    """One operation, a key of `nas.models.operations.OPERATIONS`, applied to the hidden state with index `source`.

    Example:
        >>> import nas
        >>> nas.Edge(source=1, op="conv_3x3").op
        'conv_3x3'
    """

    source: int
    op: str

    def __post_init__(self) -> None:
        if type(self.source) is not int or self.source < 0:
            raise ValueError(f"the source of an edge must be a whole number from 0, got {self.source!r:.100}")
        _check_name("op", self.op)


@dataclass(frozen=True, slots=True)
class Block:
    """Two edges whose results are combined into a new hidden state.

    They are combined by ``add`` (elementwise) or ``concat`` (along channels). `norm` is the normalization used in the
    block, a key of `nas.models.normalization.NORMALIZATIONS`.

    Example:
        >>> import nas
        >>> nas.Block(nas.Edge(0, "conv_3x3"), nas.Edge(1, "identity"), combine="concat", norm="gn").label
        ('concat', 'gn')
    """

    left: Edge
    right: Edge
    combine: str = "add"
    norm: str = "bn"

    def __post_init__(self) -> None:
        if self.combine not in COMBINES:
            raise ValueError(f"combine must be one of {', '.join(COMBINES)}, got {self.combine!r:.100}")
        _check_name("norm", self.norm)

    @property
    def edges(self) -> tuple[Edge, Edge]:
        """Both edges, left first."""
        return self.left, self.right

    @property
    def label(self) -> tuple[str, str]:
        """Combine and norm for comparing blocks; norms that compute the same share one name."""
        return self.combine, _SAME_NORM.get(self.norm, self.norm)


@dataclass(frozen=True)
class Cell:
    """A directed acyclic graph of blocks.

    Attributes:
        blocks: blocks in topological order: each reads only the two inputs and earlier blocks.
        concat: hidden states concatenated to the cell's output. None means the loose ends: all blocks' states that no
            block reads. NASNet-A as published does not follow that rule and needs an explicit list.

    Example:
        >>> import nas
        >>> block = nas.Block(nas.Edge(0, "conv_3x3"), nas.Edge(1, "identity"))
        >>> nas.Cell((block, block)).loose_ends
        (2, 3)
    """

    blocks: tuple[Block, ...]
    concat: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.blocks) <= MAX_BLOCKS:
            raise ValueError(f"a cell must have 1..{MAX_BLOCKS} blocks, got {len(self.blocks)}")
        for index, block in enumerate(self.blocks):
            for edge in block.edges:
                if edge.source >= index + NUM_INPUTS:
                    raise ValueError(f"block {index} may read hidden states 0..{index + 1}, got {edge.source}")
        if self.concat is not None:
            self._check_concat(self.concat)

    def _check_concat(self, concat: tuple[int, ...]) -> None:
        last = len(self.blocks) + 1
        for state in concat:
            if type(state) is not int or not 0 <= state <= last:
                raise ValueError(f"the output of a cell may hold hidden states 0..{last}, got {state!r:.100}")
        if not concat or len(set(concat)) != len(concat):
            came = str(list(concat))
            raise ValueError(f"the output of a cell must be one or more different hidden states, got {came:.100}")

    @cached_property
    def loose_ends(self) -> tuple[int, ...]:
        """Hidden states made by blocks that no other block reads, in order."""
        read = {edge.source for block in self.blocks for edge in block.edges}
        return tuple(state for state in range(NUM_INPUTS, len(self.blocks) + NUM_INPUTS) if state not in read)

    @property
    def output_states(self) -> tuple[int, ...]:
        """Hidden states whose concatenation is the output of the cell."""
        return self.loose_ends if self.concat is None else self.concat

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        blocks = [
            {"left": [*astuple(each.left)], "right": [*astuple(each.right)], "combine": each.combine, "norm": each.norm}
            for each in self.blocks
        ]
        return {"blocks": blocks, "concat": self.concat and list(self.concat)}

    @classmethod
    def from_json(cls, value: Any) -> Cell:  # noqa: ANN401 - any JSON value
        """Rebuilds a cell; raises ValueError if the value does not describe one."""
        _check_object("a cell", value, required={"blocks"}, optional={"concat"})
        if not isinstance(value["blocks"], list):
            raise ValueError(f"the blocks of a cell must be a list, got {value['blocks']!r:.100}")
        concat = value.get("concat")
        if concat is not None and not isinstance(concat, list):
            raise ValueError(f"the concat of a cell must be a list of hidden states or null, got {concat!r:.100}")
        return cls(tuple(map(_block_from_json, value["blocks"])), None if concat is None else tuple(concat))

    def canonical(self) -> Cell:
        """Returns the representative of all cells whose labelled graphs are isomorphic to this one.

        The order of blocks and of a block's operands carries no meaning: a concatenated state is only read through
        convolutions or other concatenations, whose weights absorb its channel order.
        """
        plain = [(tuple((edge.source, edge.op) for edge in block.edges), *block.label) for block in self.blocks]
        blocks, outputs = canonical_form(plain, self.output_states)
        return Cell(
            tuple(Block(Edge(*left), Edge(*right), combine, norm) for (left, right), combine, norm in blocks), outputs
        )

    def to_networkx(self) -> nx.MultiDiGraph[Any]:
        """Returns the cell as a graph: nodes (hidden states and ``"output"``) have a ``label``, edges an ``op``.

        Two cells are equivalent if and only if these graphs are isomorphic, labels included.
        """
        graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
        graph.add_nodes_from((state, {"label": f"input {state}"}) for state in range(NUM_INPUTS))
        for state, block in enumerate(self.blocks, start=NUM_INPUTS):
            graph.add_node(state, label=" ".join(block.label))
            for edge in block.edges:
                graph.add_edge(edge.source, state, op=edge.op)
        graph.add_node("output", label="output")
        graph.add_edges_from((state, "output", {"op": "concat"}) for state in self.output_states)
        return graph


@dataclass(frozen=True)
class Architecture:
    """A normal cell, which keeps the size of its input, and a reduction cell, which halves it ("genotype" in DARTS).

    Attributes:
        appearance_stages: number of stages, from the input, that use the instance-type norms named by the blocks;
            deeper ones use batch normalization instead (IBN-Net, 1807.09441). None means all stages.

    Example:
        >>> import nas
        >>> cell = nas.Cell((nas.Block(nas.Edge(0, "conv_3x3"), nas.Edge(1, "identity")),))
        >>> nas.Architecture.from_json(nas.Architecture(cell, cell).to_json()) == nas.Architecture(cell, cell)
        True
    """

    normal: Cell
    reduction: Cell
    appearance_stages: int | None = None

    def __post_init__(self) -> None:
        stages = self.appearance_stages
        if stages is not None and (type(stages) is not int or stages < 0):
            raise ValueError(f"appearance_stages must be a whole number from 0, or null, got {stages!r:.100}")

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal if and only if the architectures are isomorphic, labels included."""
        return fingerprint_json(self.canonical().to_json())

    def canonical(self) -> Architecture:
        """Returns the architecture with both cells in canonical form."""
        return Architecture(self.normal.canonical(), self.reduction.canonical(), self.appearance_stages)

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        value: dict[str, Any] = {"normal": self.normal.to_json(), "reduction": self.reduction.to_json()}
        if self.appearance_stages is not None:
            value["appearance_stages"] = self.appearance_stages
        return value

    @classmethod
    def from_json(cls, value: Any) -> Architecture:  # noqa: ANN401 - any JSON value
        """Rebuilds an architecture; raises ValueError, whose message names the invalid part."""
        _check_object("an architecture", value, required={"normal", "reduction"}, optional={"appearance_stages"})
        cells = {}
        for name in ("normal", "reduction"):
            try:
                cells[name] = Cell.from_json(value[name])
            except ValueError as error:
                raise ValueError(f"{name} cell: {error}") from None
        return cls(cells["normal"], cells["reduction"], value.get("appearance_stages"))

    def _repr_svg_(self) -> str:
        """Shows both cells in a notebook."""
        return str(importlib.import_module("nas").draw(self).svg)

    def to_networkx(self) -> nx.MultiDiGraph[Any]:
        """Returns both cells as one labelled graph whose nodes are (cell name, node) pairs."""
        graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
        for name, cell in (("normal", self.normal), ("reduction", self.reduction)):
            part = cell.to_networkx()
            graph.add_nodes_from(
                ((name, node), {"label": f"{name} {label}"}) for node, label in part.nodes(data="label")
            )
            for tail, head, data in part.edges(data=True):
                graph.add_edge((name, tail), (name, head), op=data["op"])
        return graph


def fingerprint_json(value: Any) -> str:  # noqa: ANN401 - any plain data
    """Hashes plain data to 32 hexadecimal digits, independently of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _check_name(what: str, name: object) -> None:
    plain = isinstance(name, str) and name.isascii() and name.isidentifier() and len(name) <= 64
    if not plain and not is_reference(name):
        raise ValueError(
            f"{what} must be a name of letters, digits and underscores, or package.module:name, got {name!r:.100}"
        )


def _check_object(what: str, value: Any, *, required: set[str], optional: set[str]) -> None:  # noqa: ANN401
    if isinstance(value, dict) and required <= value.keys() <= required | optional:  # tells nearly all at once
        return
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object with {', '.join(sorted(required))}, got {value!r:.100}")
    if missing := required - set(value):
        came = ", ".join(map(str, value)) or "nothing"
        raise ValueError(f"{what} must have {', '.join(sorted(missing))}, got {came:.100}")
    if unknown := set(value) - required - optional:
        names = ", ".join(sorted(required | optional))
        raise ValueError(f"{what} may have only {names}, got {', '.join(sorted(map(str, unknown))):.100}")


def _block_from_json(value: Any) -> Block:  # noqa: ANN401 - any JSON value
    _check_object("a block", value, required={"left", "right"}, optional={"combine", "norm"})
    left, right = _edge_from_json(value["left"]), _edge_from_json(value["right"])
    return Block(left, right, value.get("combine", "add"), value.get("norm", "bn"))


def _edge_from_json(value: Any) -> Edge:  # noqa: ANN401 - any JSON value
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"an edge must be [source, op], got {value!r:.100}")
    source, op = value
    return _edge(source, op) if type(source) is int and type(op) is str else Edge(source, op)


@lru_cache(maxsize=1024)
def _edge(source: int, op: str) -> Edge:
    """Shares equal edges: a ledger of 20,000 trials names 400,000 edges, few of them different."""
    return Edge(source, op)
