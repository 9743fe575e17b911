"""Configuration files: finding them, reading them section by section, and changing single settings."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from experiments.config.unknown_names import unknown_name
from experiments.config.yaml_file import parse_yaml, read_yaml

SECTIONS = ("space", "controller", "reward", "shifts", "search", "network", "recipe", "data", "workers", "trackers")
NAMED_SECTIONS: Mapping[str, str] = MappingProxyType({"space": "nasnet", "controller": "ppo", "reward": "accuracy"})
"""Sections that name something, with the default; ``controller: ppo`` is short for ``controller: {name: ppo}``."""


@dataclass(frozen=True, slots=True)
class ConfigKind:
    """What a configuration is for.

    Attributes:
        command: of the command line that takes it.
        sections: that it may have.
        named: those that name something, with the default.
    """

    command: str
    sections: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=dict)


SEARCH = ConfigKind("search", SECTIONS, NAMED_SECTIONS)
TRAINING = ConfigKind("train", ("training", "network", "recipe", "data", "workers"))
DETECTION = ConfigKind("detect", ("detection", "network", "detector", "recipe", "data", "workers"))
SEGMENTATION = ConfigKind("segment", ("segmentation", "network", "head", "recipe", "data", "test", "workers"))
STUDY = ConfigKind("study pretraining", ("study", "network", "detector", "recipe", "data", "workers"))


def split_sections(document: Mapping[str, Any], kind: ConfigKind = SEARCH) -> dict[str, dict[str, Any]]:
    """Returns a copy with every section of its kind there, as a mapping."""
    if (other := _kind_of(document)) is not kind:
        raise ValueError(
            f"this is a configuration for `nas {other.command}`; for `nas {kind.command}` there are "
            f"{', '.join(config_names(kind))}"
        )
    for name in document:
        if name not in kind.sections:
            raise unknown_name("section", name, kind.sections)
    sections: dict[str, dict[str, Any]] = {}
    for name in kind.sections:
        value = document.get(name)
        if name in kind.named:
            value = {"name": value} if isinstance(value, str) else {"name": kind.named[name], **_mapping(name, value)}
        sections[name] = dict(_mapping(name, value))
    return sections


def load_document(source: str, kind: ConfigKind = SEARCH) -> dict[str, dict[str, Any]]:
    """Reads a configuration file section by section.

    Args:
        source: the path of a YAML file, or the name of one of the configurations that come with this package.
        kind: what it must be for.

    Raises:
        ValueError: if there is no such file or it cannot be used.
        OSError: if it cannot be read.
    """
    path = find_config(source, kind)
    document = read_yaml(path)
    try:
        return split_sections(document, kind)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def config_names(kind: ConfigKind = SEARCH) -> list[str]:
    """Names of the configurations of a kind that come with this package."""
    return sorted(path.stem for path in _config_folder().glob("*.yaml") if _kind_of(read_yaml(path)) is kind)


def find_config(source: str, kind: ConfigKind = SEARCH) -> Path:
    """The file that a path or a name stands for; raises ValueError if there is none."""
    path = Path(source)
    if path.is_file():
        return path
    if (known := _config_folder() / f"{source}.yaml").is_file() and len(path.parts) == 1:
        return known
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        raise ValueError(f"there is no file {source}")
    raise unknown_name("configuration (neither a file nor a name)", source, config_names(kind))


def _kind_of(document: Mapping[str, Any]) -> ConfigKind:
    """All but a search have a section that tells them apart, their first."""
    kinds = (TRAINING, DETECTION, SEGMENTATION, STUDY)
    return next((kind for kind in kinds if kind.sections[0] in document), SEARCH)


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
        raise unknown_name("section", section, sections)
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
