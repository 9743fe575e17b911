"""Cells with operations on edges, as in NAS-Bench-201 (2001.00326), whose table of all cells lets a search be replayed.

A cell has nodes 0, 1, ...; node 0 is its input, the last node its output. Each node reads all previous nodes, through
one operation per edge. The name of a cell lists the nodes from 1: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` has 4 nodes
and 6 edges, and ``op~1`` reads node 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nas.architecture import fingerprint_json
from nas.decisions import Choice, check_decisions

NASBENCH201_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
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
        ops = iter(self.ops)
        nodes = [[f"{next(ops)}~{source}" for source in range(node)] for node in range(1, self.num_nodes)]
        return "+".join(f"|{'|'.join(node)}|" for node in nodes)

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


@dataclass(frozen=True)
class EdgeSpace:
    """All cells with a given number of nodes and one of several operations on each edge.

    Attributes:
        ops: names of the operations.
        num_nodes: number of nodes, input and output included.
    """

    ops: tuple[str, ...] = NASBENCH201_OPS
    num_nodes: int = 4

    def __post_init__(self) -> None:
        if not self.ops or len(set(self.ops)) != len(self.ops):
            raise ValueError(f"ops must be one or more different names, got {list(self.ops)}")
        if self.num_nodes < 2:
            raise ValueError(f"num_nodes must be at least 2, got {self.num_nodes}")

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """One choice of operation per edge, in the order of `EdgeCell.ops`."""
        return tuple(
            Choice(f"node{node}/input{source}/op", "op", len(self.ops))
            for node in range(1, self.num_nodes)
            for source in range(node)
        )

    def decode(self, decisions: tuple[int, ...]) -> EdgeCell:
        """Turns one decision per edge into a cell; raises ValueError if they are not of this space."""
        check_decisions(decisions, self.choices)
        return EdgeCell(tuple(self.ops[decision] for decision in decisions))

    def encode(self, cell: EdgeCell) -> tuple[int, ...]:
        """Inverse of `decode`; raises ValueError if the cell is not in this space."""
        if cell.num_nodes != self.num_nodes or not set(cell.ops) <= set(self.ops):
            ops = ", ".join(self.ops)
            raise ValueError(f"a cell must have {self.num_nodes} nodes and ops of {ops}, got {cell.arch}")
        return tuple(self.ops.index(op) for op in cell.ops)

    @classmethod
    def of(cls, archs: Iterable[str]) -> EdgeSpace:
        """The smallest space with all cells of the given names; raises ValueError if they differ in number of nodes."""
        cells = [EdgeCell.from_arch(arch) for arch in archs]
        sizes = {cell.num_nodes for cell in cells}
        if len(sizes) != 1:
            raise ValueError(f"cells of a space must have equal numbers of nodes, got {sorted(sizes)}")
        found = {op for cell in cells for op in cell.ops}
        known = [op for op in NASBENCH201_OPS if op in found]
        return cls((*known, *sorted(found.difference(known))), sizes.pop())


NASBENCH201 = EdgeSpace()
"""The space of NAS-Bench-201 and of the topology search space of NATS-Bench: 15,625 cells."""
