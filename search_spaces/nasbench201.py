"""Spaces of cells with operations on edges, as in NAS-Bench-201 (2001.00326); see `nas.edge_cell`.

The table of all cells of NAS-Bench-201 lets a search be replayed (`workers.evaluators.table`); their networks can be
trained, too (`nas.models.edge_network`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from nas.decisions import Choice, check_decisions
from nas.edge_cell import EdgeCell

NASBENCH201_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@dataclass(frozen=True)
class EdgeSpace:
    """All cells with a given number of nodes and one of several operations on each edge.

    Attributes:
        ops: names of the operations.
        num_nodes: number of nodes, input and output included.

    Example:
        >>> import nas
        >>> len(nas.EdgeSpace(("skip_connect", "nor_conv_3x3"), num_nodes=3).choices)
        3
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
"""The space of NAS-Bench-201 and of the topology search space of NATS-Bench: 15,625 cells.

Example:
    >>> import nas
    >>> nas.NASBENCH201.decode((3, 1, 3, 1, 1, 3)).arch
    '|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|skip_connect~1|nor_conv_3x3~2|'
"""
