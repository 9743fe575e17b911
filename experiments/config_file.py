"""Configuration files: finding them, reading them section by section, and changing single settings."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from experiments.naming import unknown_name
from experiments.yaml_file import parse_yaml, read_yaml

SECTIONS = ("space", "controller", "reward", "shifts", "search", "network", "recipe", "data", "workers", "trackers")
NAMED_SECTIONS: Mapping[str, str] = MappingProxyType({"space": "nasnet", "controller": "ppo", "reward": "accuracy"})
"""Sections that name something, with the default; ``controller: ppo`` is short for ``controller: {name: ppo}``."""


def split_sections(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns a copy with every section there, as a mapping."""
    for name in document:
        if name not in SECTIONS:
            raise unknown_name("section", name, SECTIONS)
    sections: dict[str, dict[str, Any]] = {}
    for name in SECTIONS:
        value = document.get(name)
        if name in NAMED_SECTIONS:
            value = (
                {"name": value} if isinstance(value, str) else {"name": NAMED_SECTIONS[name], **_mapping(name, value)}
            )
        sections[name] = dict(_mapping(name, value))
    return sections


def load_document(source: str) -> dict[str, dict[str, Any]]:
    """Reads a configuration file section by section.

    Args:
        source: the path of a YAML file, or the name of one of the configurations that come with this package.

    Raises:
        ValueError: if there is no such file or it cannot be used.
        OSError: if it cannot be read.
    """
    path = find_config(source)
    document = read_yaml(path)
    try:
        return split_sections(document)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def config_names() -> list[str]:
    """Names of the configurations that come with this package."""
    return sorted(path.stem for path in _config_folder().glob("*.yaml"))


def find_config(source: str) -> Path:
    """The file that a path or a name stands for; raises ValueError if there is none."""
    path = Path(source)
    if path.is_file():
        return path
    if source in config_names():
        return _config_folder() / f"{source}.yaml"
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        raise ValueError(f"there is no file {source}")
    raise unknown_name("configuration (neither a file nor a name)", source, config_names())


def _config_folder() -> Path:
    with importlib.resources.as_file(importlib.resources.files("experiments") / "configs") as folder:
        return folder


def apply_setting(sections: dict[str, dict[str, Any]], setting: str) -> None:
    """Changes one setting in place.

    Args:
        sections: what `split_sections` gave.
        setting: ``section.key=value``, the value being YAML.

    Raises:
        ValueError: if it has not that form. Whether the key and the value are allowed is `parse_config`'s to say.
    """
    path, equals, text = setting.partition("=")
    section, dot, key = path.partition(".")
    if not (equals and dot and key):
        raise ValueError(f"a setting must have the form section.key=value, got {setting!r:.100}")
    if section not in sections:
        raise unknown_name("section", section, SECTIONS)
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"the value of {path} {error}") from None
    target = sections[section]
    *outer, last = key.split(".")
    for name in outer:
        target = target.setdefault(name, {})
        if not isinstance(target, dict):
            raise ValueError(f"{path} has no settings below {name}")
    target[last] = value


def _mapping(name: str, value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever YAML holds
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"section {name} must be a mapping of settings, got {value!r:.60}")
    return value
