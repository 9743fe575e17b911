"""The page of one trial: its cells, laid out to be drawn."""

from __future__ import annotations

from typing import Any

from experiments.architectures.cell_layout import Box, Layout, Line, place_cell
from experiments.architectures.op_labels import op_label
from experiments.watch.follow import LedgerFollower
from nas.architecture import Architecture

_LETTER = 5.6
"""Width of a letter in a label, in the units of the layout."""
MIN_OP_WIDTH, MAX_OP_WIDTH = 44.0, 110.0


def trial_details(follower: LedgerFollower, trial: int) -> dict[str, Any]:
    """Returns fingerprint, seed and both cells of a trial as plain data; KeyError if the ledger has no such trial."""
    asked = follower.asked_line(trial)
    fidelity = follower.fidelities.get(asked["fidelity"])
    return {
        "fingerprint": asked["fingerprint"],
        "seed": asked["seed"],
        "architecture": asked["architecture"],
        "network": fidelity["network"] if isinstance(fidelity, dict) and "network" in fidelity else None,
        "cells": drawn_cells(asked["architecture"]),
    }


def drawn_cells(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    """Lays out both cells of an architecture's JSON; an empty list if it describes no cells."""
    try:
        architecture = Architecture.from_json(value)
    except ValueError:
        return []
    cells = architecture.normal, architecture.reduction
    ops = {edge.op for cell in cells for block in cell.blocks for edge in block.edges}
    longest = max(len(line) for op in ops for line in op_label(op))
    width = min(MAX_OP_WIDTH, max(MIN_OP_WIDTH, 10 + _LETTER * longest))
    names = ("Normal cell", "Reduction cell")
    return [_drawn(name, place_cell(cell, width)) for name, cell in zip(names, cells, strict=True)]


def _drawn(name: str, layout: Layout) -> dict[str, Any]:
    size = {"name": name, "width": round(layout.width, 1), "height": round(layout.height, 1)}
    return size | {"boxes": [*map(_box, layout.boxes)], "lines": [*map(_line, layout.lines)]}


def _box(box: Box) -> dict[str, Any]:
    place = {key: round(getattr(box, key), 1) for key in ("x", "y", "width", "height")}
    lines = op_label(box.name) if box.kind == "op" else (box.name,)
    return {"kind": box.kind, "name": box.name, "detail": box.detail, "lines": lines, "state": box.state, **place}


def _line(line: Line) -> list[Any]:
    return [line.source, line.target, [round(each, 1) for point in line.points for each in point]]
