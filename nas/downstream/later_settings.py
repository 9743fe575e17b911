"""Settings added after version 0.1.0, which JSON omits at their defaults to keep existing fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def without_defaults(settings: object, data: Mapping[str, Any], *later: str) -> dict[str, Any]:
    """Omits from the plain data of a dataclass those of the fields `later` that have their default."""
    unchanged = {each.name for each in fields(settings) if getattr(settings, each.name) == each.default}  # type: ignore[arg-type]
    return {name: value for name, value in data.items() if name not in later or name not in unchanged}
