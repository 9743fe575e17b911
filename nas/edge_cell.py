"""Cells with operations on edges, as in NAS-Bench-201 (2001.00326), as plain data.

A cell has nodes 0, 1, ...; node 0 is its input, the last node its output. Each node reads all previous nodes, through
one operation per edge. The name of a cell lists the nodes from 1: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` has 4 nodes
and 6 edges, and ``op~1`` reads node 1. `nas.models.edge_network` builds networks of such cells.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nas.architecture import fingerprint_json

_NODE = re.compile(r"\|(?:[^|~+]+~\d+\|)+")


@dataclass(frozen=True, slots=True)
class EdgeCell:
    """A cell with one operation on each edge.

    Attributes:
        ops: the operations, by node and then by the node that they read.
    """

    ops: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.ops or sum(range(self.num_nodes)) != len(self.ops):
            raise ValueError(f"a cell must have 1, 3, 6, 10, ... edges, got {len(self.ops)}")
        if wrong := [op for op in self.ops if not isinstance(op, str) or not re.fullmatch(r"[^|~+]+", op)]:
            raise ValueError(f"an operation must be a name without any of | ~ +, got {wrong[0]!r:.100}")

    @property
    def num_nodes(self) -> int:
        """Number of nodes, input and output included."""
        return (1 + math.isqrt(1 + 8 * len(self.ops))) // 2

    @property
    def arch(self) -> str:
        """Name of the cell, such as ``|op~0|+|op~0|op~1|``."""
        nodes = ("|".join(f"{op}~{source}" for source, op in enumerate(node)) for node in self.nodes)
        return "+".join(f"|{node}|" for node in nodes)

    @property
    def nodes(self) -> Iterator[tuple[str, ...]]:
        """Operations of the nodes from 1: the first reads node 0, the second node 1, and so on."""
        return (self.ops[node * (node - 1) // 2 : node * (node + 1) // 2] for node in range(1, self.num_nodes))

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal for cells of equal name; tables measure isomorphic cells separately."""
        return fingerprint_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return {"arch": self.arch}

    @classmethod
    def from_json(cls, value: Any) -> EdgeCell:  # noqa: ANN401 - whatever JSON holds
        """Rebuilds a cell; raises ValueError if the value does not describe one."""
        if not isinstance(value, dict) or set(value) != {"arch"} or not isinstance(value["arch"], str):
            raise ValueError(f"a cell must be an object with its name as arch, got {value!r:.200}")
        return cls.from_arch(value["arch"])

    @classmethod
    def from_arch(cls, arch: str) -> EdgeCell:
        """Parses the name of a cell; raises ValueError unless it has the form ``|op~0|+|op~0|op~1|+...``."""
        ops = []
        for number, node in enumerate(arch.split("+"), start=1):
            edges = [edge.rpartition("~") for edge in node[1:-1].split("|")]
            if not _NODE.fullmatch(node) or [edge[2] for edge in edges] != [str(source) for source in range(number)]:
                raise ValueError(f"a cell must be named |op~0|+|op~0|op~1|+..., got {arch!r:.200}")
            ops += [edge[0] for edge in edges]
        return cls(tuple(ops))
