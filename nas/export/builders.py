"""Source code of calls to the functions that build operations and norms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from nas.architecture import Cell
from nas.export.definitions import check_top_level
from nas.models.normalization import NORMALIZATIONS
from nas.models.operations import OPERATIONS

_LITERALS = (int, float, str, type(None))


def builder_functions(cell: Cell) -> Iterator[Callable[..., Any]]:
    """Yields the functions that build the operations and norms of a cell, without bound arguments."""
    for block in cell.blocks:
        normalization = NORMALIZATIONS[block.norm]
        builders: list[Callable[..., Any]] = [OPERATIONS[edge.op].build for edge in block.edges]
        builders += [normalization.first, normalization.rest]
        if normalization.after is not None:
            builders.append(normalization.after)
        yield from (_unwrap(builder)[0] for builder in builders)


def call(builder: Callable[..., Any], *arguments: str) -> str:
    """Returns the source of a call of a builder, with its bound arguments and the given ones."""
    function, positional, keywords = _unwrap(builder)
    return f"{function.__name__}({', '.join([*positional, *arguments, *keywords])})"


def reference(builder: Callable[..., Any]) -> str:
    """Returns the source of an expression that evaluates to the builder."""
    function, positional, keywords = _unwrap(builder)
    if not positional and not keywords:
        return function.__name__
    return f"partial({', '.join([function.__name__, *positional, *keywords])})"


def norm_constant(name: str) -> str:
    """Returns the name of the constant that holds a norm; names from outside have dots and a colon."""
    return f"NORM_{re.sub(r'[.:]', '_', name).upper()}"


def _unwrap(builder: Callable[..., Any]) -> tuple[Callable[..., Any], list[str], list[str]]:
    """Returns the function of a builder and its bound arguments as source."""
    bound = builder if isinstance(builder, partial) else partial(builder)
    check_top_level(bound.func)
    for value in (*bound.args, *bound.keywords.values()):
        if not isinstance(value, _LITERALS):
            name = bound.func.__name__
            raise ValueError(f"bound arguments of {name} must be numbers or strings to be exported, got {value!r:.100}")
    keywords = [f"{key}={literal(value)}" for key, value in bound.keywords.items()]
    return bound.func, [literal(value) for value in bound.args], keywords


def literal(value: float | str | None) -> str:
    """Returns the source of a number or string, with all special characters escaped."""
    text = ascii(value)
    plain = isinstance(value, str) and text[0] == "'" and '"' not in text
    return f'"{text[1:-1]}"' if plain else text
