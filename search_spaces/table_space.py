"""Spaces of tables: the architectures of a table are named by one option for each of several choices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nas.architecture import fingerprint_json
from nas.decisions import Choice, check_decisions


@dataclass(frozen=True, slots=True)
class NamedArchitecture:
    """An architecture of which only the name is known.

    Attributes:
        arch: its name in the table.
    """

    arch: str

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal for equal names."""
        return fingerprint_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return {"arch": self.arch}


@dataclass(frozen=True)
class TableSpace:
    """All combinations of the options of several choices.

    Attributes:
        options: for each choice, the names of its options.
        template: name of an architecture, with ``{}`` for each option.
        kind: kind of the choices, if an option means the same in all of them; else each choice has its own kind.
    """

    options: tuple[tuple[str, ...], ...]
    template: str
    kind: str | None = None

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """One choice for each position of the name."""
        return tuple(
            Choice(f"choice{place}", self.kind or f"choice{place}", len(options))
            for place, options in enumerate(self.options)
        )

    def decode(self, decisions: tuple[int, ...]) -> NamedArchitecture:
        """Turns one decision per choice into an architecture; raises ValueError if they are not of this space."""
        check_decisions(decisions, self.choices)
        chosen = (options[decision] for options, decision in zip(self.options, decisions, strict=True))
        return NamedArchitecture(self.template.format(*chosen))

    @classmethod
    def of(cls, names: Iterable[Sequence[str]], template: str, *, kind: str | None = None) -> TableSpace:
        """The smallest space that holds all of the architectures, each given by its options.

        Options are in the order of numbers if all are whole numbers, else in that of the alphabet. With a `kind`, each
        choice has the options of all of them.
        """
        columns = [set(column) for column in zip(*names, strict=True)]
        if kind is not None:
            columns = [set().union(*columns)] * len(columns)
        return cls(tuple(_ordered(column) for column in columns), template, kind)


def _ordered(options: set[str]) -> tuple[str, ...]:
    if all(option.isdecimal() for option in options):
        return tuple(sorted(options, key=lambda option: (int(option), option)))
    return tuple(sorted(options))
