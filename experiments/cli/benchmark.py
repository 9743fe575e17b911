"""The command `nas benchmark`; its work is done in `experiments.benchmark.run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

SPACES = ("nasbench201",)
"""Spaces of which there are tables; `search_spaces` has a module of each name."""

app = typer.Typer()


@app.command(epilog="Example: nas benchmark nasbench201 --table cifar10.csv --trials 100 --seeds 20 --out runs/table")
def benchmark(  # noqa: PLR0913 - one argument for each option
    space: Annotated[str, typer.Argument(help="What the table measures: nasbench201.")],
    *,
    table: Annotated[Path, typer.Option(help="CSV: arch, validation columns, test columns, seconds.")],
    out: Annotated[Path, typer.Option(help="Folder for runs, curves, comparison.json and report.html.")],
    controllers: Annotated[
        str, typer.Option(help="Names with commas between; settings follow colons: ppo:batch_size=5.")
    ] = "ppo,reinforce,evolution,random",
    trials: Annotated[int, typer.Option(help="Trials of each run.")] = 400,
    seeds: Annotated[int, typer.Option(help="Runs of each controller.")] = 100,
    workers: Annotated[str, typer.Option(help="Simulated workers, with commas between: 1,20,100,500.")] = "1",
    valid: Annotated[str | None, typer.Option(help="Column that the search sees; the last if left out.")] = None,
    test: Annotated[str | None, typer.Option(help="Column that is reported; the last if left out.")] = None,
    seconds: Annotated[str | None, typer.Option(help="Column of a trial's time; the last if left out.")] = None,
    processes: Annotated[int | None, typer.Option(help="Runs at a time; one a core if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Compare controllers on a table of measurements, over many seeds, each with any number of simulated workers."""
    from rich.console import Console

    from experiments.benchmark.run import Benchmark, run_benchmark
    from experiments.comparison.run import print_comparison
    from experiments.config.unknown_names import unknown_name
    from workers.evaluators.table import Columns

    if space not in SPACES:
        raise unknown_name("space with tables", space, SPACES)
    columns = Columns(valid, test, seconds)
    asked = Benchmark(table, split(controllers), trials, seeds, whole_numbers(workers), columns, processes)
    value = run_benchmark(asked, out, Console(stderr=as_json))
    if as_json:
        plain = {name: comparison.to_json() for name, comparison in value.items()}
        typer.echo(json.dumps(plain, indent=2, allow_nan=False))
        return
    for name, comparison in value.items():
        if len(value) > 1:
            typer.echo(f"{name}:")
        print_comparison(comparison, Console())


def split(text: str) -> tuple[str, ...]:
    """The parts of a text with commas between."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def whole_numbers(text: str) -> tuple[int, ...]:
    """The whole numbers in a text with commas between.

    Raises:
        ValueError: if one of them is none.
    """
    parts = split(text)
    for part in parts:
        if not (part.isascii() and part.isdecimal() and len(part) < 10):
            raise ValueError(f"numbers must be whole with commas between, such as 1,20,100, got {text!r:.60}")
    return tuple(int(part) for part in parts)
