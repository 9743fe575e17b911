"""Writes the description of an architecture as a row of named slots, and such rows as short strings.

A slot is a place at which architectures of one space differ: the operation, source, norm or combination of a block, or
the operation of an edge. Rows are derived from what the ledger holds, so a page needs neither search space nor torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_EDGE = re.compile(r"([^|~+]+)~(\d+)")
_PLAIN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FIRST_OTHER = 0x100
MAX_LABELS = 5000


class Slot(NamedTuple):
    """A slot with its label: ``normal/block0/left/op`` of kind ``op`` may have the label ``conv_3x3``."""

    name: str
    kind: str
    label: str


def architecture_slots(value: Any) -> list[Slot]:  # noqa: ANN401 - any JSON value
    """Returns the slots of an architecture's JSON; empty if it has neither cells nor a name of edges."""
    try:
        if "arch" in value:
            return list(_edge_slots(value["arch"]))
        return list(_cell_slots(value))
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def _edge_slots(arch: str) -> Iterator[Slot]:
    for number, node in enumerate(arch.split("+"), start=1):
        for op, source in _EDGE.findall(node):
            yield Slot(f"node{number}/input{source}/op", "op", op)


def _cell_slots(value: dict[str, Any]) -> Iterator[Slot]:
    for cell in ("normal", "reduction"):
        for index, block in enumerate(value[cell]["blocks"]):
            place = f"{cell}/block{index}"
            for side in ("left", "right"):
                source, op = block[side]
                yield Slot(f"{place}/{side}/source", "source", str(source))
                yield Slot(f"{place}/{side}/op", "op", str(op))
            yield Slot(f"{place}/combine", "combine", str(block.get("combine", "add")))
            yield Slot(f"{place}/norm", "norm", str(block.get("norm", "bn")))
    if "appearance_stages" in value:
        yield Slot("appearance_stages", "appearance_stages", str(value["appearance_stages"]))


@dataclass
class SlotTable:
    """The slots of a run and the labels of each kind, numbered in the order in which they appear.

    Attributes:
        slots: name and kind of each slot, those of the first architecture.
        labels: by kind, the labels seen so far.
    """

    slots: list[tuple[str, str]] = field(default_factory=list)
    labels: dict[str, list[str]] = field(default_factory=dict)
    _numbers: dict[tuple[str, str], str] = field(default_factory=dict)

    def encode(self, architecture: Any) -> str:  # noqa: ANN401 - any JSON value
        """Returns one character a slot; an empty string if the architecture has other slots than the first one."""
        row = architecture_slots(architecture)
        names = [(slot.name, slot.kind) for slot in row]
        if not self.slots:
            self.slots = names
        return "".join(self._character(slot) for slot in row) if names == self.slots else ""

    def _character(self, slot: Slot) -> str:
        key = slot.kind, slot.label
        if key not in self._numbers:
            labels = self.labels.setdefault(slot.kind, [])
            if len(labels) >= MAX_LABELS:
                raise ValueError(f"a run may use at most {MAX_LABELS} different {slot.kind}s")
            self._numbers[key] = _PLAIN[len(labels)] if len(labels) < len(_PLAIN) else chr(_FIRST_OTHER + len(labels))
            labels.append(slot.label)
        return self._numbers[key]
