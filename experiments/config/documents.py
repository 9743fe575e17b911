"""Configuration documents: finding files, reading them section by section, and changing single settings."""

from __future__ import annotations

import importlib.resources
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from experiments.config.former_settings import without_former
from experiments.config.kinds import SEARCH, ConfigKind, Document, kind_of
from experiments.config.parsing.unknown_names import closest, unknown_name
from experiments.config.parsing.yaml_file import parse_yaml, read_yaml


class UnknownSectionError(ValueError):
    """A section that a kind of configuration does not have.

    Attributes:
        keys: Names in it that may be settings of other sections; its own where it holds a plain value.
        is_setting: Whether it holds a plain value, so that it is a setting without its section.
    """

    def __init__(self, name: object, value: object, known: Collection[str]) -> None:
        super().__init__(str(unknown_name("section", name, known)))
        self.keys = [str(name)]
        self.is_setting = not isinstance(value, Mapping)
        if isinstance(value, Mapping):
            self.keys = [] if closest(name, known) else [str(key) for key in value]


def split_sections(document: Mapping[str, Any], kind: ConfigKind) -> Document:
    """Returns a copy of a document in which every section of its kind, and no other, is a mapping."""
    if (other := kind_of(document)) is not kind:
        if other.command not in kind.converts:
            raise ValueError(
                f"this is a configuration of `nas {other.command}`; those of `nas {kind.command}` are "
                f"{', '.join(config_names(kind))}"
            )
        return kind.converts[other.command](split_sections(document, other))
    document = without_former(document)
    for name in document:
        if name not in kind.sections:
            raise UnknownSectionError(name, document[name], kind.sections)
    sections: Document = {}
    for name in kind.sections:
        value = document.get(name)
        if name in kind.named:  # `controller: ppo` is short for `controller: {name: ppo}`
            value = {"name": value} if isinstance(value, str) else {"name": kind.named[name], **_mapping(name, value)}
        sections[name] = dict(_mapping(name, value))
    return sections


def load_document(source: str, kind: ConfigKind) -> Document:
    """Reads a YAML file, or the configuration of that name in this package, section by section."""
    path = find_config(source, kind)
    document = read_yaml(path)
    try:
        return split_sections(document, kind)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def config_names(kind: ConfigKind | None) -> list[str]:
    """Names of the configurations in this package that a kind can use; of all without one."""
    kinds = {path.stem: kind_of(read_yaml(path)) for path in config_folder().glob("*.yaml")}
    return sorted(name for name, each in kinds.items() if kind is None or each is kind or each.command in kind.converts)


def find_config(source: str, kind: ConfigKind | None) -> Path:
    """The file that a path or a name refers to; raises ValueError if there is none, naming those of `kind`, or all."""
    path = Path(source)
    if path.is_file():
        return path
    if (known := config_folder() / f"{source}.yaml").is_file() and len(path.parts) == 1:
        return known
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        raise ValueError(f"there is no file {source}")
    raise unknown_name("configuration (neither a file nor a name)", source, config_names(kind))


def set_value(sections: Document, section: str, key: str, value: Any) -> None:  # noqa: ANN401 - whatever YAML holds
    """Changes one setting in place; naming another entry of a table drops the settings of the former one."""
    target = sections[section]
    if key == "name" and section in SEARCH.named and target.get("name") != value:
        target.clear()
    *outer, last = key.split(".")
    for name in outer:
        target = target.setdefault(name, {})
        if not isinstance(target, dict):
            raise ValueError(f"{section}.{key}: {name} has no settings of its own")
    target[last] = value


def apply_setting(sections: Document, setting: str) -> None:
    """Changes one setting in place, given as ``section.key=value`` in YAML; parsing checks whether it exists."""
    path, equals, text = setting.partition("=")
    section, dot, key = path.partition(".")
    if not equals or not section or (not key and (dot or section in sections)):
        raise ValueError(f"a setting must have the form section.key=value, got {setting!r:.100}")
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"the value of {path} {error}") from None
    if section in sections:
        set_value(sections, section, key, value)
    elif kind_of({section: {}}) is not SEARCH:
        raise UnknownSectionError(section, {}, sections)
    else:  # parsing, which knows all settings, refuses it and says what may be meant
        sections[section] = {key: value} if dot else value


def config_folder() -> Path:
    """The folder of the configurations that come with this package."""
    with importlib.resources.as_file(importlib.resources.files("experiments") / "configs") as folder:
        return folder


def _mapping(name: str, value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever YAML holds
    if not isinstance(value, Mapping | None):
        raise ValueError(f"section {name} must be a mapping of settings, got {value!r:.60}")
    return value or {}
