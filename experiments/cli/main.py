"""The command line: thin commands; the work of each is a function in its own module.

Whatever a person can get wrong ends with one line on stderr and exit code 2. Heavy libraries are imported within the
commands, so that ``nas --help`` is quick.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.architectures import app as arch_app
from experiments.cli.benchmark import app as benchmark_app
from experiments.cli.detect import app as detect_app
from experiments.cli.options import named_folder
from experiments.cli.robustness import app as robustness_app
from experiments.cli.segment import app as segment_app
from experiments.cli.select import app as select_app
from experiments.cli.study import app as study_app
from experiments.cli.training import app as training_app

BAD_INPUT, BUG, INTERRUPTED = 2, 1, 130
MAX_ERROR = 1000

_UsageError: type[Exception] = typer.BadParameter.__mro__[2]
"""ClickException: typer may bring its own copy of click along, and gives the class no public name."""

app = typer.Typer(
    name="nas",
    help="Searches for cells of convolutional networks, compares strategies, and exports what was found.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]


@app.command(epilog="Example: nas search digits_ppo --trials 40 --out runs/first")
def search(  # noqa: PLR0913 - one argument for each option
    config: Annotated[str, typer.Argument(help="A YAML file, or a name such as digits_ppo.")],
    *,
    out: Annotated[
        Path | None, typer.Option(parser=named_folder, help="Folder of the run; runs/CONFIG if left out.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    controller: Annotated[
        str | None, typer.Option(help="random, reinforce, ppo or evolution, at its defaults.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials of the finished run.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the run.")] = None,
    workers: Annotated[int | None, typer.Option(help="Most trials measured at a time.")] = None,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster: auto or HOST:PORT.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
    ] = None,
) -> None:
    """Run a search, or continue the one in the folder. Ctrl-C once waits for the trials in flight, twice lets go."""
    from rich.console import Console

    from experiments.search.run import SearchOptions, run_search

    options = SearchOptions(out, data, controller, trials, seed, workers, address, tuple(settings or ()))
    raise typer.Exit(run_search(config, options, Console()))


@app.command(epilog="Example: nas status runs/digits_ppo --json")
def status(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show how far a run is, its failures by kind and its ten best; also while it runs."""
    from rich.console import Console

    from experiments.search.status import print_status, run_status

    value = run_status(run)
    if as_json:
        _print_json(value)
    else:
        print_status(value, Console())


@app.command(epilog="Example: nas compare runs/digits_ppo runs/digits_random --out runs/comparison")
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, several a controller if there are.")],
    *,
    out: Annotated[Path, typer.Option(parser=named_folder, help="Folder for curves, comparison.json and report.html.")],
    force: Annotated[bool, typer.Option("--force", help="Compare although space, fidelity or data differ.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare runs grouped by controller: curves, tables, tests, and a report."""
    from rich.console import Console

    from experiments.comparison.run import compare_runs, print_comparison

    value = compare_runs(runs, out, force=force)
    if as_json:
        _print_json(value.to_json())
    else:
        print_comparison(value, Console())


for _commands in (arch_app, select_app, training_app, detect_app, segment_app, robustness_app, benchmark_app):
    app.add_typer(_commands)  # without a name: they stand beside those above
app.add_typer(study_app, name="study")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: what follows ``nas``; None takes those of the process.

    Returns:
        The exit code, see `report_errors`.
    """
    given = None if arguments is None else list(arguments)
    return report_errors(lambda: app(args=given, prog_name="nas", standalone_mode=False))


def report_errors(command: Callable[[], object]) -> int:
    """Runs a command and turns whatever it raises into one line on stderr.

    Args:
        command: may return an exit code.

    Returns:
        Its exit code, 0 if it returns none; 2 for bad input, 130 after Ctrl-C, 1 for a bug of ours.
    """
    try:
        code = command()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except _UsageError as error:
        return _complain(_usage(error), error, BAD_INPUT)
    except (ValueError, OSError, RuntimeError) as error:
        return _complain(str(error), error, BAD_INPUT)
    except Exception as error:  # the last resort: a line that asks for a report, not a traceback
        return _complain(f"this is a bug, NAS_DEBUG=1 shows where: {type(error).__name__}: {error}", error, BUG)
    return code if isinstance(code, int) else 0


def _complain(text: str, error: BaseException, code: int) -> int:
    if os.environ.get("NAS_DEBUG"):
        raise error
    if text:
        line = "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))  # no terminal obeys it
        print("error:", line[:MAX_ERROR], file=sys.stderr)
    return code


def _usage(error: Exception) -> str:
    """What is wrong with the arguments, and where help is; nothing where the help itself was just shown."""
    format_message, context = getattr(error, "format_message", None), getattr(error, "ctx", None)
    message = str(format_message() if format_message else error)
    return f"{message} (see {context.command_path} --help)" if message and context else message


def _print_json(value: Any) -> None:  # noqa: ANN401 - plain data of any form
    typer.echo(json.dumps(value, indent=2, allow_nan=False))
