"""The command line. Heavy libraries are imported within the commands, so that ``nas --help`` is quick."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from experiments.cli import (
    ablate,
    architectures,
    benchmark,
    compare,
    detect,
    evaluate,
    robustness,
    search,
    segment,
    select,
    status,
    study,
    train,
    watch,
)
from experiments.cli.output import report_errors

app = typer.Typer(
    name="nas",
    help="Search for cells of convolutional networks, compare strategies, and train and export what was found.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = (
    *(search, status, watch, compare, architectures, select, train, evaluate, ablate),
    *(detect, segment, robustness, benchmark),
)
"""Modules of commands; a new command adds its module here."""

for _module in COMMANDS:
    app.add_typer(_module.app)  # without a name, their commands stand at the top level
app.add_typer(study.app, name="study")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line with the arguments after ``nas``, or those of the process, and returns the exit code."""
    given = None if arguments is None else list(arguments)
    return report_errors(lambda: app(args=given, prog_name="nas", standalone_mode=False))
