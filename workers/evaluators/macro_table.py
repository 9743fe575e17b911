"""Reads NAS-Bench-Macro (2103.11922): 6,561 networks of eight layers, each with one of three operations."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nas.files.guarded_read import read_bytes
from nas.files.strict_json import parse_json
from workers.evaluators.table import Columns, Measurement, Table, check_percent

_COLUMNS = Columns(valid="test_acc", test="mean_acc", seconds="none")


def read_macro_table(
    path: Path, columns: Columns = Columns(), *, rungs: Mapping[int, str] = MappingProxyType({})
) -> Table:
    """Reads ``nas-bench-macro_cifar10.json``.

    The file maps names such as ``02110012`` to ``test_acc``, accuracies in percent of three trainings, ``mean_acc``,
    ``params`` and ``flops``. It has no validation accuracy and no times: what a search is told is the accuracy of the
    first training, what is reported is the mean of all, and a trial takes no time.

    Raises:
        ValueError: if the file is not valid, or other columns or any rungs are chosen.
        OSError: if the file cannot be read.
    """
    if rungs or columns not in (Columns(), _COLUMNS):
        raise ValueError(f"the columns of {path} cannot be chosen: it has one accuracy")
    try:
        value = parse_json(read_bytes(path))
        if not isinstance(value, dict):
            raise ValueError(f"it must hold an object, got {json.dumps(value)[:100]}")  # noqa: TRY301
        rows = {name: _measurement(name, row) for name, row in value.items()}
        check_percent("test_acc", [row.validation for row in rows.values()])
        return Table(rows, _COLUMNS)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _measurement(name: str, row: Any) -> Measurement:  # noqa: ANN401 - any JSON value
    accuracies = row.get("test_acc") if isinstance(row, dict) else None
    numbers = accuracies if isinstance(accuracies, list) else []
    if not numbers or not all(_is_number(number) for number in numbers):
        raise ValueError(f"{name} must hold test_acc, a list of numbers, got {json.dumps(row)[:100]}")
    sizes = {key: row.get(key, 0) for key in ("params", "flops")}
    for key, size in sizes.items():
        if not _is_number(size) or size < 0:
            raise ValueError(f"{key} of {name} must be a number of at least 0, got {json.dumps(size)[:100]}")
    mean = math.fsum(numbers) / len(numbers)
    return Measurement(numbers[0] / 100, mean / 100, 0.0, round(sizes["params"]), round(sizes["flops"]))


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18
