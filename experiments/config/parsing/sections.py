"""Conversion of a section of a configuration between plain data and validated settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from experiments.config.parsing.option_names import named_option
from experiments.config.parsing.unknown_names import unknown_name

_T = TypeVar("_T")


class UnknownKeyError(ValueError):
    """A key that its section does not have.

    Attributes:
        keys: The key.
        is_setting: Whether it has no section: never.
    """

    def __init__(self, section: str, key: str, known: Iterable[str]) -> None:
        super().__init__(str(unknown_name(f"key in section {section}", key, known)))
        self.keys = [key]
        self.is_setting = False


def validate_section(name: str, section: Mapping[str, Any], kind: type[_T]) -> _T:
    """Makes settings, a pydantic dataclass, from the plain data of a section; ValueError in one line names the key."""
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in section:
        if key not in known:
            if not known:
                raise ValueError(f"this {name} has no settings, got {key!r:.80}")
            raise UnknownKeyError(name, str(key), known)
    try:
        settings = TypeAdapter(kind).validate_python(dict(section))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join((name, *(str(part) for part in first["loc"])))
        message = first["msg"].removeprefix("Value error, ")
        hidden = first["type"] in {"missing", "value_error"} or "env_vars" in first["loc"]  # may be a secret
        came = "" if hidden else f", got {first['input']!r:.60}"
        raise ValueError(f"{place}: {message}{came}{named_option(place)}") from None
    for key, value in section.items():
        if _has_converted_bool(value, getattr(settings, key)):
            raise ValueError(f"{name}.{key}: true and false are not numbers, got {value!r:.60}")
    return settings


def _has_converted_bool(came: Any, kept: Any) -> bool:  # noqa: ANN401 - plain data of any form
    """Whether a Boolean was converted to a number, at any depth."""
    if isinstance(came, bool):
        return isinstance(kept, int | float) and not isinstance(kept, bool)
    if isinstance(came, Mapping) and isinstance(kept, Mapping):
        return any(_has_converted_bool(item, kept.get(key)) for key, item in came.items())
    if isinstance(came, list) and isinstance(kept, list | tuple) and len(came) == len(kept):
        return any(_has_converted_bool(item, other) for item, other in zip(came, kept, strict=True))
    return False


def dump_settings(settings: Any) -> dict[str, Any]:  # noqa: ANN401 - any settings class
    """Returns all settings as plain data, the inverse of `validate_section`."""
    return dict(TypeAdapter(type(settings)).dump_python(settings, mode="json"))


def flatten(value: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yields nested settings as pairs of a dotted key and a value."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from flatten(item, f"{place}{key}.")
        else:
            yield f"{place}{key}", item
