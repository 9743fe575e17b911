"""Calls of the functions that build operations and norms, as source code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from nas.architecture import Cell
from nas.export.definitions import check_top_level
from nas.models.normalization import NORMALIZATIONS
from nas.models.operations import OPERATIONS

_LITERALS = (int, float, str, type(None))


def builder_functions(cell: Cell) -> Iterator[Callable[..., Any]]:
    """The functions that build the operations and norms of a cell, whatever the tables set of their arguments."""
    for block in cell.blocks:
        normalization = NORMALIZATIONS[block.norm]
        builders: list[Callable[..., Any]] = [OPERATIONS[edge.op].build for edge in block.edges]
        builders += [normalization.first, normalization.rest]
        if normalization.after is not None:
            builders.append(normalization.after)
        yield from (_unwrap(builder)[0] for builder in builders)


def call(builder: Callable[..., Any], *arguments: str) -> str:
    """A call of a builder with what the table sets of its arguments, and then the given ones."""
    function, positional, keywords = _unwrap(builder)
    return f"{function.__name__}({', '.join([*positional, *arguments, *keywords])})"


def reference(builder: Callable[..., Any]) -> str:
    """An expression whose value is the builder."""
    function, positional, keywords = _unwrap(builder)
    if not positional and not keywords:
        return function.__name__
    return f"partial({', '.join([function.__name__, *positional, *keywords])})"


def _unwrap(builder: Callable[..., Any]) -> tuple[Callable[..., Any], list[str], list[str]]:
    """The function behind a builder, and what is set of its arguments as source."""
    if not isinstance(builder, partial):
        check_top_level(builder)
        return builder, [], []
    check_top_level(builder.func)
    for value in (*builder.args, *builder.keywords.values()):
        if not isinstance(value, _LITERALS):
            name = builder.func.__name__
            raise ValueError(f"what is set of {name} must be numbers or texts to be exported, got {value!r:.100}")
    keywords = [f"{key}={literal(value)}" for key, value in builder.keywords.items()]
    return builder.func, [literal(value) for value in builder.args], keywords


def literal(value: float | str | None) -> str:
    """The source of a number or a text, which no character of the text can end."""
    text = ascii(value)
    plain = isinstance(value, str) and text[0] == "'" and '"' not in text
    return f'"{text[1:-1]}"' if plain else text
