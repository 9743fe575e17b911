"""The option ``--import`` of all commands: modules from outside whose objects a configuration may name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

OPTION = "--import"


class ImportingGroup(TyperGroup):
    """Accepts ``--import MODULE`` anywhere on the command line, before or after the name of the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - a click context
        """Moves the option to the front, where the group finds it."""
        taken = list(_taken(args))
        return super().parse_args(ctx, [*taken, *_others(args)])


Imports = typer.Option(
    OPTION,
    metavar="MODULE",
    envvar="NAS_IMPORT",
    help="Import a module, package or .py file whose objects a configuration may name as module:name; repeatable.",
)


def _places(args: list[str]) -> Iterator[tuple[int, int]]:
    """Place and number of words of each option, up to ``--``."""
    index = 0
    while index < len(args) and args[index] != "--":
        length = 2 if args[index] == OPTION else 1
        if args[index] == OPTION or args[index].startswith(f"{OPTION}="):
            yield index, length
        index += length


def _taken(args: list[str]) -> Iterator[str]:
    for place, length in _places(args):
        yield from args[place : place + length]


def _others(args: list[str]) -> Iterator[str]:
    used = {index for place, length in _places(args) for index in range(place, place + length)}
    return (each for index, each in enumerate(args) if index not in used)
