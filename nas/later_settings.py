"""Settings added after version 0.1.0, omitted at their defaults in fingerprints and files: old ones stay valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter


def plain(settings: object) -> dict[str, Any]:
    """Returns a dataclass of settings as plain data for JSON.

    Fields that the class names in `LATER`, and those of settings within it, are omitted where they have their default.
    """
    return _without_defaults(settings, TypeAdapter(type(settings)).dump_python(settings, mode="json"))


def _without_defaults(settings: Any, data: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    defaults = {each.name: each.default for each in fields(settings) if each.name in getattr(settings, "LATER", ())}
    omitted = {name for name, default in defaults.items() if getattr(settings, name) == default}
    parts = {name: getattr(settings, name, None) for name in data}
    return {
        name: _without_defaults(parts[name], value) if hasattr(parts[name], "LATER") else value
        for name, value in data.items()
        if name not in omitted
    }
