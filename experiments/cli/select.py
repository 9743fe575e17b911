"""The command `nas select`; its work is done in `experiments.tournament.run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(epilog="Example: nas select runs/digits_ppo --top 8 --random 8 --config digits_full --out runs/tournament")
def select(  # noqa: PLR0913 - one argument for each option
    run: Annotated[Path, typer.Argument(help="Folder of a search.")],
    *,
    config: Annotated[
        str, typer.Option(help="How candidates are trained: a YAML file, or a name such as digits_full.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the tournament.")],
    top: Annotated[int, typer.Option(help="So many of the best trials take part.")] = 8,
    random: Annotated[int, typer.Option(help="So many others, drawn at random, take part as a control.")] = 8,
    grace: Annotated[int | None, typer.Option(help="Epochs that every candidate gets; a ninth if left out.")] = None,
    reduction: Annotated[float, typer.Option(help="One in so many goes on from each rung to the next.")] = 3.0,
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    workers: Annotated[int | None, typer.Option(help="Most candidates trained at a time.")] = None,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster: auto or HOST:PORT.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random picks.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Train the best trials of a search, and random ones beside them, in a tournament that stops losers early."""
    from rich.console import Console

    from experiments.tournament.run import SelectOptions, print_selection, run_select
    from workers.tune.tournament import Rules

    rules = Rules(grace, reduction)
    options = SelectOptions(top, random, seed, rules, data, workers, address, tuple(settings or ()))
    result = run_select(run, config, out, options, Console(stderr=as_json))
    if as_json:
        typer.echo(json.dumps(result, indent=2, allow_nan=False))
    else:
        print_selection(result, Console())
