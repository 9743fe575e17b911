"""The tables that `nas benchmark` reads: each with its file format and its search space."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from nas.protocols import SearchSpace
from search_spaces.nasbench201 import EdgeSpace
from search_spaces.table_space import TableSpace
from workers.evaluators.macro_table import read_macro_table
from workers.evaluators.table import CHOICE_SEPARATOR, Columns, Table, add_metrics, read_table

_TRANSNAS = re.compile(r"(.*-)(\d)_(\d)(\d)_(\d)(\d)(\d)")
_TRANSNAS_TEMPLATE = "{}_{}{}_{}{}{}"


@dataclass(frozen=True, slots=True)
class TableKind:
    """An entry of the table of tables.

    Attributes:
        space: Makes the search space from the names of the architectures in the file.
        read: Reads the file, with its columns of rungs by epochs; the columns that are None are chosen by it.
        described: What the file is, for the help text.
    """

    space: Callable[[Iterable[str]], SearchSpace]
    described: str
    read: Callable[..., Table] = read_table

    def load(
        self,
        path: Path,
        columns: Columns,
        rungs: Mapping[int, str] = MappingProxyType({}),
        *,
        metrics: Sequence[str] = (),
        costs: Path | None = None,
    ) -> tuple[Table, SearchSpace]:
        """Reads a table and the space of its architectures; ValueError if a file is not valid.

        `metrics` are columns of further metrics, of the file `costs` if there is one, else of the table.
        """
        of_table = {"metrics": metrics} if metrics and costs is None else {}
        table = self.read(path, columns, rungs=rungs, **of_table)
        if costs is not None:
            table = add_metrics(table, costs, metrics)
        try:
            return table, self.space(table.rows)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _transnas_space(names: Iterable[str]) -> TableSpace:
    """The micro space of TransNAS-Bench-101: operations of the edges 01, 02 12, 03 13 23."""
    found = [(name, _TRANSNAS.fullmatch(name)) for name in names]
    if wrong := [name for name, match in found if match is None]:
        raise ValueError(f"an architecture must be named like 64-41414-1_23_013, got {wrong[0]!r:.100}")
    parts = [match.groups() for _, match in found if match is not None]
    if len(prefixes := {prefix for prefix, *_ in parts}) > 1:
        raise ValueError(f"all architectures must be of one network, got {', '.join(sorted(prefixes)):.100}")
    return TableSpace.of([part[1:] for part in parts], prefixes.pop() + _TRANSNAS_TEMPLATE, kind="op")


def _macro_space(names: Iterable[str]) -> TableSpace:
    """The space of NAS-Bench-Macro: the operation of each layer, as one digit."""
    listed = list(names)
    if wrong := [name for name in listed if not name.isdecimal() or len(name) != len(listed[0])]:
        raise ValueError(f"architectures must be named by equally many digits, got {wrong[0]!r:.100}")
    return TableSpace.of(listed, "{}" * len(listed[0]), kind="op")


def _choices_space(names: Iterable[str]) -> TableSpace:
    """The space of any file: one choice for each column of decisions."""
    parts = [name.split(CHOICE_SEPARATOR) for name in names]
    if len(widths := {len(part) for part in parts}) > 1:
        raise ValueError(f"each architecture must have equally many decisions, got {sorted(widths)}")
    return TableSpace.of(parts, CHOICE_SEPARATOR.join(["{}"] * widths.pop()))


TABLES: Mapping[str, TableKind] = MappingProxyType(
    {
        "nasbench201": TableKind(EdgeSpace.of, "NAS-Bench-201: cells such as |none~0|+|...|, as CSV"),
        "transnas101": TableKind(_transnas_space, "TransNAS-Bench-101, micro space: 64-41414-1_23_013, as CSV"),
        "nasbench_macro": TableKind(_macro_space, "NAS-Bench-Macro: its JSON file", read_macro_table),
        "choices": TableKind(_choices_space, "any CSV with a column choice... for each decision"),
    }
)
"""Tables by name."""
