"""The base of all configurations: validated sections from plain data, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_type_hints

from experiments.config.documents import UnknownSectionError, split_sections
from experiments.config.kinds import ConfigKind, Document
from experiments.config.parsing.sections import UnknownKeyError, dump_settings, validate_section
from experiments.config.parsing.unknown_names import closest


class Config:
    """A valid configuration: a frozen dataclass with one field, a pydantic dataclass, for each section of its kind."""

    __slots__ = ()
    kind: ClassVar[ConfigKind]

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, source: str | None = None) -> Self:
        """Validates plain data, settings by section; ValueError in one line that names the place, and `source`."""
        try:
            return cls._parse(split_sections(document, cls.kind))
        except ValueError as error:
            text = f"{error}{cls._hint(error)}"
            raise ValueError(text if source is None else f"configuration {source}: {text}") from None

    @classmethod
    def known_settings(cls) -> dict[str, list[str]]:
        """Names of the settings of each section."""
        return {
            section: [each.name for kind in cls.section_classes(section) for each in dataclasses.fields(kind)]
            for section in cls.kind.sections
        }

    @classmethod
    def section_classes(cls, section: str) -> list[type[Any]]:
        """The class of the settings of a section."""
        return [get_type_hints(cls)[section]]

    @classmethod
    def _hint(cls, error: ValueError) -> str:
        """The settings of other sections that an unknown name may mean."""
        if not isinstance(error, UnknownKeyError | UnknownSectionError):
            return ""
        known = [(section, name) for section, names in cls.known_settings().items() for name in names]
        found = {near for key in error.keys if (near := closest(key.rpartition(".")[2], (name for _, name in known)))}
        if not found & set(error.keys) and not error.is_setting and "did you mean" in str(error):
            return ""
        places = dict.fromkeys(f"{section}.{name}" for section, name in known if name in found)
        return f"; is it {' or '.join(places)}?" if places else ""

    @classmethod
    def _parse(cls, sections: Document) -> Self:
        types = get_type_hints(cls)
        return cls(**{name: validate_section(name, sections[name], types[name]) for name in cls.kind.sections})

    def to_document(self) -> Document:
        """Returns plain data from which `parse` makes an equal configuration, with every setting written out."""
        return {name: dump_settings(getattr(self, name)) for name in self.kind.sections}
