"""`nas schema`: a JSON schema of a kind of configuration, by which editors complete and check YAML files."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from experiments.config.kinds import ConfigKind
from experiments.config.search_config import TABLES
from experiments.guide.settings import CONFIGS, section_class, settings_of


def config_schema(command: str) -> dict[str, Any]:
    """Returns the JSON schema of the configurations of a command; ValueError if it takes none."""
    if command not in CONFIGS:
        raise ValueError(f"the command must be one of {', '.join(CONFIGS)}, got {command!r:.80}")
    kind = CONFIGS[command].kind
    definitions: dict[str, Any] = {}
    properties = {section: _section(kind, section, definitions) for section in kind.sections}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"configuration of nas {command}",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": definitions,
    }


def _section(kind: ConfigKind, section: str, definitions: dict[str, Any]) -> dict[str, Any]:
    if section not in kind.named:
        return _settings(section_class(kind, section), definitions)
    names = list(TABLES[section])
    known = {each.name for name in names for each in settings_of(section_class(kind, section, name))}
    entry = {"anyOf": [{"enum": names}, {"type": "string", "pattern": "^[\\w.]+:[\\w.]+$"}]}
    entries = [_settings(section_class(kind, section, name), definitions) for name in names]
    merged = {key: value for each in reversed(entries) for key, value in each.get("properties", {}).items()}
    settings = {"name": entry, **{key: merged[key] for key in merged if key in known}, "preset": {"type": "string"}}
    return {"anyOf": [entry, {"type": "object", "properties": settings}]}


def _settings(settings_class: type[Any] | None, definitions: dict[str, Any]) -> dict[str, Any]:
    if settings_class is None:
        return {"type": "object", "properties": {}}
    schema = TypeAdapter(settings_class).json_schema(ref_template="#/$defs/{model}")
    definitions |= schema.pop("$defs", {})
    for setting in settings_of(settings_class):
        schema["properties"][setting.name]["description"] = setting.line
    schema["type"] = ["object", "null"]
    schema.pop("required", None)  # a section may be completed by options of the command
    return schema
