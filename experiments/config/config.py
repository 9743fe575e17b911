"""The base of all configurations: validated sections from plain data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_type_hints

from experiments.config.documents import split_sections
from experiments.config.kinds import ConfigKind, Document
from experiments.config.sections import dump_settings, validate_section


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
            raise ValueError(str(error) if source is None else f"configuration {source}: {error}") from None

    @classmethod
    def _parse(cls, sections: Document) -> Self:
        types = get_type_hints(cls)
        return cls(**{name: validate_section(name, sections[name], types[name]) for name in cls.kind.sections})

    def to_document(self) -> Document:
        """Returns plain data from which `parse` makes an equal configuration, with every setting written out."""
        return {name: dump_settings(getattr(self, name)) for name in self.kind.sections}
