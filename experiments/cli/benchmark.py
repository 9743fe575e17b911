"""The command `nas benchmark`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Json, Quick, folder, split
from experiments.cli.output import print_json

DEFAULT_ETA = 3.0
QUICK_TRIALS, QUICK_SEEDS = 20, 2
"""The most trials and seeds of `--quick`."""

app = typer.Typer()


@app.command(epilog="Example: nas benchmark nasbench201 --table cifar10.csv --trials 100 --seeds 20 --out runs/table")
def benchmark(  # noqa: PLR0913 - one argument for each option
    space: Annotated[str, typer.Argument(help="nasbench201, transnas101, nasbench_macro, or choices for any CSV.")],
    *,
    table: Annotated[Path, typer.Option(help="CSV: arch or choice..., valid..., test..., seconds; or its own format.")],
    out: Annotated[Path, folder("Folder for runs, curves and report.html.")],
    controllers: Annotated[
        str | None, typer.Option(help="Comma-separated names; settings follow colons: ppo:batch_size=5. Default all.")
    ] = None,
    trials: Annotated[int, typer.Option(help="Trials of each run.")] = 400,
    seeds: Annotated[int, typer.Option(help="Runs of each controller.")] = 100,
    workers: Annotated[str, typer.Option(help="Comma-separated numbers of simulated workers: 1,20,100,500.")] = "1",
    valid: Annotated[str | None, typer.Option(help="Column that the search sees; default the last.")] = None,
    test: Annotated[str | None, typer.Option(help="Column that is reported; default the last.")] = None,
    seconds: Annotated[str | None, typer.Option(help="Column of a trial's time; default the last.")] = None,
    rungs: Annotated[
        str | None,
        typer.Option(help="Stop weak trials early: EPOCHS=COLUMN, comma-separated: 12=valid_accuracy_12ep."),
    ] = None,
    eta: Annotated[
        float | None, typer.Option(help="One in ETA of the trials that reach a rung goes on; default 3.")
    ] = None,
    objectives: Annotated[
        str | None, typer.Option(help="Search for a front: comma-separated, such as accuracy,latency_pixel2.")
    ] = None,
    costs: Annotated[Path | None, typer.Option(help="CSV with arch and the columns of the objectives.")] = None,
    processes: Annotated[int | None, typer.Option(help="Runs at a time; default one per core.")] = None,
    quick: Quick = False,
    as_json: Json = False,
) -> None:
    """Compare controllers on a table of measurements, over many seeds and any number of simulated workers."""
    from rich.console import Console

    from experiments.benchmark.run import Benchmark, run_benchmark
    from experiments.benchmark.tables import TABLES
    from experiments.comparison.run import print_comparison
    from experiments.config.parsing.unknown_names import unknown_name
    from experiments.config.strategies import CONTROLLERS
    from workers.evaluators.table import Columns

    if space not in TABLES:
        raise unknown_name("space with tables", space, TABLES)
    if quick:
        trials, seeds = min(trials, QUICK_TRIALS), min(seeds, QUICK_SEEDS)
    columns = Columns(valid, test, seconds)
    chosen = tuple(CONTROLLERS) if controllers is None else split(controllers)
    if eta is not None and rungs is None:
        raise ValueError("--eta is for --rungs")
    if costs is not None and objectives is None:
        raise ValueError("--costs is for --objectives")
    stopping = parse_rungs(rungs or ""), DEFAULT_ETA if eta is None else eta
    asked = Benchmark(table, chosen, trials, seeds, whole_numbers(workers), columns, processes, *stopping, space)
    asked = replace(asked, objectives=split(objectives), costs=costs)
    value = run_benchmark(asked, out, Console(stderr=as_json))
    if as_json:
        print_json({name: comparison.to_json() for name, comparison in value.items()})
        return
    for name, comparison in value.items():
        if len(value) > 1:
            typer.echo(f"{name}:")
        print_comparison(comparison, Console())


def parse_rungs(text: str) -> dict[int, str]:
    """Columns by epochs, from ``12=COLUMN,50=COLUMN``; ValueError if the text has another form."""
    rungs = {}
    for part in split(text):
        epochs, equals, column = part.partition("=")
        if not (equals and column and epochs.isascii() and epochs.isdecimal() and 0 < int(epochs[:9]) < 200):
            raise ValueError(f"rungs must be EPOCHS=COLUMN with epochs of 1..199, got {part!r:.60}")
        if int(epochs[:9]) in rungs:
            raise ValueError(f"rungs must have each number of epochs once, got {text!r:.60}")
        rungs[int(epochs[:9])] = column
    return rungs


def whole_numbers(text: str) -> tuple[int, ...]:
    """The comma-separated whole numbers in a text; ValueError if one is not a whole number."""
    parts = split(text)
    for part in parts:
        if not (part.isascii() and part.isdecimal() and len(part) < 10):
            raise ValueError(f"numbers must be whole and separated by commas, such as 1,20,100, got {text!r:.60}")
    return tuple(int(part) for part in parts)
