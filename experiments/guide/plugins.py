"""`nas plugins`: the entries of all tables, and what packages from outside offer."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.config import search_config
from nas.data.data_set import DataSet
from nas.data.load import DATA_SETS
from nas.models.normalization import NORMALIZATIONS, Normalization
from nas.models.operations import OPERATIONS, Operation
from nas.plugins import allow, allowed_modules

TABLES: Mapping[str, Mapping[str, Any]] = {
    **search_config.TABLES,
    "data": DATA_SETS,
    "operation": OPERATIONS,
    "norm": NORMALIZATIONS,
}
_BY_FIRST_PARAMETER = {
    "trial": "evaluator",
    "success": "reward",
    "spec": "data",
    "site": "operation",
    "choices": "controller",
    "controller": "wrapper",
    "num_channels": "norm",
}
"""What a function is for, by the name of its first parameter, as in the contracts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plugins:
    """Names by kind: those of this project, and ``package.module:name`` of packages from outside."""

    own: Mapping[str, list[str]]
    outside: Mapping[str, list[str]]

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return dataclasses.asdict(self)


def list_plugins() -> Plugins:
    """Lists the entries of all tables, and the objects in the modules that were allowed, see `nas.plugins`."""
    outside: dict[str, list[str]] = {kind: [] for kind in TABLES}
    for module in allowed_modules():
        members = vars(importlib.import_module(allow(module)))
        for name, value in members.items():
            kind = None if name.startswith("_") else kind_of(value, module)
            if kind is not None:
                outside[kind].append(f"{module}:{name}")
    return Plugins({kind: list(table) for kind, table in TABLES.items()}, outside)


def kind_of(value: Any, module: str) -> str | None:  # noqa: ANN401 - any object
    """The table that an object of a module fits into, or None."""
    of_class = {Operation: "operation", Normalization: "norm", DataSet: "data"}
    if type(value) in of_class:
        return of_class[type(value)]
    if getattr(value, "__module__", module) != module:
        return None
    if hasattr(value, "decode") and hasattr(value, "choices"):
        return "space"
    if hasattr(value, "ask") and hasattr(value, "tell"):
        return "controller"
    call = vars(value).get("__call__") if isinstance(value, type) else value
    if not inspect.isfunction(call):
        return None
    parameters = [name for name in inspect.signature(call).parameters if name != "self"]
    return _BY_FIRST_PARAMETER.get(parameters[0]) if parameters else None


def print_plugins(plugins: Plugins, console: Console) -> None:
    """Prints the names as a table."""
    table = Table("for", "names", "from outside")
    for kind, names in plugins.own.items():
        table.add_row(kind, ", ".join(names), "\n".join(plugins.outside[kind]) or "-")
    console.print(table)
