"""One resolver for all commands: a file or name, options, ``--set``, and what the run folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.config.documents import apply_setting, load_document, set_value, split_sections
from experiments.config.kinds import ConfigKind, Document
from experiments.config.lengths import EPOCHS, ITERATIONS, fit_lengths
from experiments.config.quick import make_quick


@dataclass(frozen=True, slots=True)
class ConfigRequest:
    """A configuration as a command line asks for it.

    Attributes:
        source: A YAML file, or the name of a configuration that comes with this package; empty for the defaults.
        changes: Values of options by (section, key); None leaves a setting as the file has it.
        settings: Texts of the form ``section.key=value``, applied last.
        sections: Sections that replace those of the file, before any change.
        accept_data: Whether a run is resumed although its images have changed.
        quick: Whether everything that is not given is shortened to a few steps, see `experiments.config.quick`.
    """

    source: str
    changes: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accept_data: bool = False
    quick: bool = False

    @property
    def default_folder(self) -> Path:
        """``runs/NAME``, NAME being that of the configuration or ``search``; ``runs/NAME_quick`` for a quick run."""
        return Path("runs") / f"{Path(self.source).stem or 'search'}{'_quick' * self.quick}"

    @property
    def given(self) -> set[str]:
        """Dotted keys of the settings that options and ``--set`` give."""
        options = {f"{section}.{key}" for (section, key), value in self.changes.items() if value is not None}
        return options | {setting.partition("=")[0] for setting in self.settings}

    def changed(self, changes: Mapping[tuple[str, str], Any]) -> ConfigRequest:
        """The request with further options."""
        return replace(self, changes={**self.changes, **changes})


def resolve(kind: ConfigKind, request: ConfigRequest, stored: Mapping[str, Any] | None = None) -> Document:
    """Resolves a request to a document, which is not yet validated.

    The settings `kind.adopted` that the request leaves open are those of `stored`, the document of the run folder.
    A recipe that the request makes shorter keeps its form, see `experiments.config.lengths.fit_lengths`.

    Raises:
        ValueError: If there is no such configuration, or a setting does not have the form ``section.key=value``.
    """
    document = load_document(request.source, kind) if request.source else split_sections({kind.sections[0]: None}, kind)
    document.update({name: dict(section) for name, section in request.sections.items()})
    lengths = ITERATIONS if kind.counts_iterations else EPOCHS
    fit_lengths(document["recipe"], lengths.defaults, document["recipe"].keys(), lengths)
    former = dict(document["recipe"])
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
    if request.quick:
        make_quick(document, kind, request.given)
    changed = {place.removeprefix("recipe.") for place in request.given if place.startswith("recipe.")}
    fit_lengths(document["recipe"], former, changed, lengths)
    return document
