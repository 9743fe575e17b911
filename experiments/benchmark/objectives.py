"""Objectives of `nas benchmark`: accuracy, sizes, and columns of the table or of a second file, such as latencies."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from nas.files.guarded_read import open_regular
from nas.fronts import front, hypervolume, reference_point
from nas.objectives import OBJECTIVES, Objectives
from nas.trial import Success
from workers.evaluators.table import TEST_ACCURACY, Table

_OF_TABLES = ("accuracy", "parameters", "multiply_adds")
"""Objectives that every table has."""


def objective_names(names: Sequence[str], file: Path) -> tuple[str, ...]:
    """Completes names such as ``latency_pixel2`` to columns of a file, ``latency_pixel2_ms:min``.

    Raises:
        ValueError: if there is no such column.
        OSError: if the file cannot be read.
    """
    with TextIOWrapper(open_regular(file), "utf-8-sig", newline="") as opened:
        header = next(csv.reader(opened), [])
    found = []
    for name in names:
        plain, _, goal = name.partition(":")
        columns = [column for column in (plain, f"{plain}_ms") if column in header]
        if name in _OF_TABLES:
            found.append(name)
        elif columns and goal in ("", "min", "max"):
            found.append(f"{columns[0]}:{goal or 'min'}")
        else:
            known = ", ".join((*_OF_TABLES, *(column for column in header if column != "arch")))
            raise ValueError(
                f"an objective must be one of {known}, with :max behind a column of which more is better; got {name}"
            )
    Objectives.of(found)
    return tuple(found)


def metric_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns that objectives read."""
    return tuple(name.rpartition(":")[0] for name in names if name not in OBJECTIVES)


def check_sizes(table: Table, names: Sequence[str]) -> None:
    """Raises ValueError if the table lacks the sizes that are objectives, which it then has as 0."""
    rows = table.rows.values()
    for name, known in (
        ("parameters", any(row.num_parameters for row in rows)),
        ("multiply_adds", any(row.num_multiply_adds for row in rows)),
    ):
        if name in names and not known:
            raise ValueError(f"the table must hold {name} (params_m, flops_m) for that objective, got none")


def true_front(table: Table, names: Sequence[str]) -> tuple[np.ndarray, float]:
    """The reference point of a table, see `nas.fronts.reference_point`, and the hypervolume of its true front.

    Raises:
        ValueError: if the table lacks the sizes that are objectives.
    """
    check_sizes(table, names)
    objectives = Objectives.of(names)
    values = np.array([objectives(_success(table, name)) for name in table.rows])
    best = values[front(values)]
    reference = reference_point(best)
    return reference, hypervolume(best, reference)


def _success(table: Table, name: str) -> Success:
    row = table.rows[name]
    metrics = {TEST_ACCURACY: row.test, **row.metrics}
    return Success(0, row.validation, row.num_parameters, row.num_multiply_adds, metrics=metrics)
