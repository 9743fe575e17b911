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
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments import cli_robustness
from experiments.cli_robustness import app as robustness_app

if TYPE_CHECKING:
    from experiments.arch import NetworkOptions

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

app.add_typer(robustness_app)  # without a name: its commands stand beside these

ArchArgument = Annotated[
    str,
    typer.Argument(
        metavar="ARCH",
        help="A JSON file, a run (its best trial), RUN@3 (its third best), an exported folder, or a published name.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
PresetOption = Annotated[str | None, typer.Option(help="Network around the cells: cifar10, imagenet-mobile, ...")]
StackOption = Annotated[str | None, typer.Option(metavar="N@P", help="Normal cells a stage @ last channels: 6@768.")]
SizeOption = Annotated[int | None, typer.Option(help="Height and width of the images in pixels.")]
ClassesOption = Annotated[int | None, typer.Option(help="Outputs of the classifier.")]


@app.command(epilog="Example: nas search digits_ppo --trials 40 --out runs/first")
def search(  # noqa: PLR0913 - one argument for each option
    config: Annotated[str, typer.Argument(help="A YAML file, or a name such as digits_ppo.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/CONFIG if left out.")] = None,
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

    from experiments.search import SearchOptions, run_search

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

    from experiments.status import print_status, run_status

    value = run_status(run)
    if as_json:
        _print_json(value)
    else:
        print_status(value, Console())


@app.command(epilog="Example: nas compare runs/digits_ppo runs/digits_random --out runs/comparison")
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, several a controller if there are.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for curves, comparison.json and report.html.")],
    force: Annotated[bool, typer.Option("--force", help="Compare although space, fidelity or data differ.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare runs grouped by controller: curves, tables, tests, and a report."""
    from rich.console import Console

    from experiments.compare import compare_runs, print_comparison

    value = compare_runs(runs, out, force=force)
    if as_json:
        _print_json(value)
    else:
        print_comparison(value, Console())


@app.command(epilog="Example: nas draw nasnet-a --out cells.svg")
def draw(
    arch: ArchArgument,
    *,
    out: Annotated[Path, typer.Option(help="The picture: a name that ends in .svg, .png or .pdf.")],
    preset: PresetOption = None,
    stack: StackOption = None,
    image_size: SizeOption = None,
    classes: ClassesOption = None,
) -> None:
    """Draw both cells of an architecture; with a network given, its size stands above them."""
    from experiments.arch import find_architecture
    from experiments.count import describe_network
    from experiments.draw import draw_architecture

    source, options = find_architecture(arch), _network_options(preset, stack, image_size, classes)
    title = f"{source.name}: {describe_network(source, options)}" if options.given else source.name
    draw_architecture(source.architecture, out, title=title)
    typer.echo(str(out))


@app.command(epilog="Example: nas export runs/digits_ppo@2 --out second_best")
def export(
    arch: ArchArgument,
    *,
    out: Annotated[Path, typer.Option(help="Folder for model.py, architecture.json, weights.safetensors, cells.svg.")],
    preset: PresetOption = None,
    stack: StackOption = None,
    image_size: SizeOption = None,
    classes: ClassesOption = None,
) -> None:
    """Write an architecture as code that needs only torch, with its weights if it is a trained one."""
    from experiments.arch import find_architecture
    from experiments.export import export_architecture

    source, options = find_architecture(arch), _network_options(preset, stack, image_size, classes)
    files = export_architecture(source, out, options)
    typer.echo(f"{out}: " + ", ".join(path.name for path in files))
    if source.outcome is not None and (source.weights is None or options.given):
        why = "the options ask for another network than the trained one" if options.given else "the run kept none of it"
        typer.echo(f"without weights: {why}", err=True)


@app.command(epilog="Example: nas count nasnet-a --preset imagenet-large")
def count(
    arch: ArchArgument,
    *,
    preset: PresetOption = None,
    stack: StackOption = None,
    image_size: SizeOption = None,
    classes: ClassesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count parameters, multiply-adds and activations, beside the paper's figures where there are some."""
    from rich.console import Console

    from experiments.arch import find_architecture
    from experiments.count import count_architecture, print_count

    value = count_architecture(find_architecture(arch), _network_options(preset, stack, image_size, classes))
    if as_json:
        _print_json(value)
    else:
        print_count(value, Console())


@app.command("import-weights", epilog="Example: nas import-weights nasnetalarge --accuracy 0.827 --out nasnet_large")
def import_timm_weights(
    source: Annotated[str, typer.Argument(help="A safetensors file of timm's, or nasnetalarge or pnasnet5large.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for model.py, weights.safetensors and what else nas export gives.")],
    accuracy: Annotated[float, typer.Option(help="As published with the weights, between 0 and 1; kept with them.")],
) -> None:
    """Take timm's weights of NASNet-A or PNASNet-5 over into our network."""
    from experiments.import_weights import import_weights

    files = import_weights(source, out, accuracy=accuracy)
    typer.echo(f"{out}: " + ", ".join(path.name for path in files))


app.add_typer(cli_robustness.app)


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
        print("error:", " ".join(text.split())[:MAX_ERROR], file=sys.stderr)
    return code


def _usage(error: Exception) -> str:
    """What is wrong with the arguments, and where help is; nothing where the help itself was just shown."""
    format_message, context = getattr(error, "format_message", None), getattr(error, "ctx", None)
    message = str(format_message() if format_message else error)
    return f"{message} (see {context.command_path} --help)" if message and context else message


def _network_options(
    preset: str | None, stack: str | None, image_size: int | None, classes: int | None
) -> NetworkOptions:
    from experiments.arch import NetworkOptions

    return NetworkOptions(preset, stack, image_size, classes)


def _print_json(value: Any) -> None:  # noqa: ANN401 - plain data of any form
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


if __name__ == "__main__":
    sys.exit(main())
