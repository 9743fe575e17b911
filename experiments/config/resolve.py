"""One resolver for all commands: a file or name, options, ``--set``, and what the run folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.config.documents import apply_setting, load_document, set_value, split_sections
from experiments.config.kinds import ConfigKind, Document


@dataclass(frozen=True, slots=True)
class ConfigRequest:
    """A configuration as a command line asks for it.

    Attributes:
        source: A YAML file, or the name of a configuration that comes with this package; empty for the defaults.
        changes: Values of options by (section, key); None leaves a setting as the file has it.
        settings: Texts of the form ``section.key=value``, applied last.
        sections: Sections that replace those of the file, before any change.
    """

    source: str
    changes: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def default_folder(self) -> Path:
        """``runs/NAME``, NAME being that of the configuration, or ``search`` without one."""
        return Path("runs") / (Path(self.source).stem or "search")

    def changed(self, changes: Mapping[tuple[str, str], Any]) -> ConfigRequest:
        """The request with further options."""
        return replace(self, changes={**self.changes, **changes})


def resolve(kind: ConfigKind, request: ConfigRequest, stored: Mapping[str, Any] | None = None) -> Document:
    """Resolves a request to a document, which is not yet validated.

    The settings `kind.adopted` that the request leaves open are those of `stored`, the document of the run folder.

    Raises:
        ValueError: If there is no such configuration, or a setting does not have the form ``section.key=value``.
    """
    document = load_document(request.source, kind) if request.source else split_sections({kind.sections[0]: None}, kind)
    document.update({name: dict(section) for name, section in request.sections.items()})
    for (section, key), value in request.changes.items():
        if value is not None:
            set_value(document, section, key, str(value.resolve()) if isinstance(value, Path) else value)
    for setting in request.settings:
        apply_setting(document, setting)
    for section, key in kind.adopted:
        known = (stored or {}).get(section)
        value = known.get(key) if isinstance(known, Mapping) else None
        if value is not None and document[section].get(key) is None:
            document[section][key] = value
    return document
