"""The command line. Heavy libraries are imported within the commands, so that ``nas --help`` is quick."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Annotated

import typer

from experiments.cli import (
    ablate,
    architectures,
    benchmark,
    compare,
    detect,
    evaluate,
    guide,
    latency,
    robustness,
    search,
    segment,
    select,
    status,
    study,
    train,
    watch,
)
from experiments.cli.imports import ImportingGroup, Imports
from experiments.cli.output import AnnouncedCommand, report_errors
from nas.plugins import allow

app = typer.Typer(
    name="nas",
    cls=ImportingGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
COMMANDS = (
    *(search, status, watch, compare, architectures, select, train, evaluate, ablate),
    *(detect, segment, robustness, benchmark, guide),
)
"""Modules of commands; a new command adds its module here."""

for _module in (*COMMANDS, study, latency):
    for _command in _module.app.registered_commands:
        _command.cls = AnnouncedCommand
for _module in COMMANDS:
    app.add_typer(_module.app)  # without a name, their commands stand at the top level
app.add_typer(study.app, name="study")
app.add_typer(latency.app, name="latency")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"nas-engine {importlib.metadata.version('nas-engine')}")
        raise typer.Exit


@app.callback()
def nas(
    *,
    imports: Annotated[list[str] | None, Imports] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Search for cells of convolutional networks, compare strategies, and train and export what was found."""
    del version  # its callback has printed it
    for name in imports or ():
        allow(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line with the arguments after ``nas``, or those of the process, and returns the exit code."""
    given = None if arguments is None else list(arguments)
    return report_errors(lambda: app(args=given, prog_name="nas", standalone_mode=False))
