"""Every setting of a configuration: its meaning, default and allowed values, from the classes that validate it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from experiments.config.config import Config
from experiments.config.dense_config import DetectionConfig, SegmentationConfig
from experiments.config.kinds import ConfigKind
from experiments.config.search_config import SearchConfig, settings_class
from experiments.config.study_config import StudyConfig
from experiments.config.training_config import AblationConfig, TournamentConfig, TrainingConfig

CONFIGS: Mapping[str, type[Config]] = {
    each.kind.command: each
    for each in (
        *(SearchConfig, TrainingConfig, TournamentConfig, AblationConfig),
        *(DetectionConfig, SegmentationConfig, StudyConfig),
    )
}
"""The class of each kind of configuration, by its command."""

_ENTRY = re.compile(r"^ {4}(\w+): (.+?)(?=^ {4}\w+: |^\S|\Z)", re.MULTILINE | re.DOTALL)
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "minItems": "at least {}",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a section.

    Attributes:
        name: its key.
        meaning: what it does, with its source.
        default: its default as JSON; None if it must be given.
        allowed: its type and range.
    """

    name: str
    meaning: str
    default: str | None
    allowed: str

    @property
    def line(self) -> str:
        """Meaning, default and allowed values in a line."""
        default = "no default" if self.default is None else f"default {self.default}"
        meaning = f"{self.meaning.rstrip('.')}. " if self.meaning else ""
        return f"{meaning}{default[0].upper()}{default[1:]}; {self.allowed}."


def section_class(kind: ConfigKind, section: str, name: str | None = None) -> type[Any] | None:
    """The class of the settings of a section; of the entry `name` where it names one. None if it has no settings."""
    if section not in kind.named:
        found: type[Any] = get_type_hints(CONFIGS[kind.command])[section]
        return found
    return settings_class(section, name or kind.named[section] or "none")


def settings_of(settings_class: type[Any] | None) -> list[Setting]:
    """Every setting of a class, in order."""
    if settings_class is None:
        return []
    schema = TypeAdapter(settings_class).json_schema()
    meanings = _meanings(settings_class)
    fields = dataclasses.fields(settings_class)
    return [
        Setting(
            field.name,
            meanings.get(field.name, ""),
            _default(field, schema["properties"].get(field.name, {})),
            _allowed(schema["properties"].get(field.name, {})),
        )
        for field in fields
    ]


def _meanings(settings_class: type[Any]) -> dict[str, str]:
    """Texts of the attributes in the docstrings of a class and of those that it inherits from."""
    found: dict[str, str] = {}
    for each in settings_class.__mro__:
        _, _, attributes = (inspect.cleandoc(each.__doc__ or "")).partition("Attributes:\n")
        for name, text in _ENTRY.findall(attributes):
            found.setdefault(name, _plain(text))
    return found


def _plain(text: str) -> str:
    sentence = " ".join(text.split()).replace("``", "").replace("`", "")
    return sentence[:1].upper() + sentence[1:]


def _default(field: dataclasses.Field[Any], schema: Mapping[str, Any]) -> str | None:
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return None
    value = schema.get("default", {} if schema.get("type") == "object" else [])
    return json.dumps(value)


def _allowed(schema: Mapping[str, Any]) -> str:
    """Type and range of a value in words."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(_allowed(each) for each in schema["anyOf"])
    types = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    types |= {"array": "list", "object": "mapping", "null": "null"}
    word = types.get(str(schema.get("type")), "mapping")
    return " ".join((word, ", ".join(_limits(schema)))).strip()


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    for key, text in _LIMITS.items():
        if key in schema:
            yield text.format(f"{schema[key]:g}" if schema[key] < 1e6 else schema[key])
