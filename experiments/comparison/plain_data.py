"""Results as plain data for JSON: dataclasses become objects, arrays lists, and numbers that are not finite null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

OPTIONAL = MappingProxyType({"optional": True})
"""Metadata of a field of a dataclass that is left out of its JSON object where it is None."""


class PlainData:
    """Base of results, frozen dataclasses, that are written as JSON."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Returns plain data."""
        return dict(to_plain(self))


def to_plain(value: Any, *, digits: int | None = None) -> Any:  # noqa: ANN401 - nested data of any kind
    """Converts nested results to plain data, with floats rounded to significant `digits`, if given.

    A dataclass whose keys in JSON are not its fields returns them with their values from a method `json_items`.
    """
    if is_dataclass(value):
        value = value.json_items() if hasattr(value, "json_items") else _known_fields(value)
    if isinstance(value, Mapping):
        return {key: to_plain(item, digits=digits) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [to_plain(item, digits=digits) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return float(value if digits is None else f"{value:.{digits}g}")
    return value


def _known_fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    items = ((each, getattr(value, each.name)) for each in fields(value))
    return {each.name: item for each, item in items if not (item is None and each.metadata == OPTIONAL)}
