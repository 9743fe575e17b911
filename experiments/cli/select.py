"""The command `nas select`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.options import AcceptData, Address, Data, Json, Quick, Settings, Workers, config_request, folder
from experiments.cli.output import print_json

app = typer.Typer()


@app.command(epilog="Example: nas select runs/digits_ppo --top 8 --random 8 --config digits_full --out runs/tournament")
def select(  # noqa: PLR0913 - one argument for each option
    run: Annotated[Path, typer.Argument(help="Folder of a search.")],
    *,
    config: Annotated[
        str, typer.Option(help="How candidates are trained: a YAML file, or a name such as digits_full.")
    ],
    out: Annotated[Path, folder("Folder of the tournament.")],
    top: Annotated[int | None, typer.Option(help="Number of best trials that compete; default 8.")] = None,
    random: Annotated[
        int | None, typer.Option(help="Number of other trials, drawn at random as a control group; default 8.")
    ] = None,
    grace: Annotated[
        int | None, typer.Option(help="Epochs that every candidate gets; default a ninth of the recipe's.")
    ] = None,
    reduction: Annotated[
        float | None, typer.Option(help="One in this many candidates continues from each rung; default 3.")
    ] = None,
    data: Data = None,
    workers: Workers = None,
    address: Address = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random draw; default 0.")] = None,
    settings: Settings = None,
    accept_data: AcceptData = False,
    quick: Quick = False,
    as_json: Json = False,
) -> None:
    """Train the best trials of a search, and random ones, in a tournament that stops poor candidates early."""
    from rich.console import Console

    from experiments.tournament.run import print_selection, run_select

    tournament: dict[str, Any] = {"run": run, "top": top, "random": random, "seed": seed}
    tournament |= {"grace_epochs": grace, "reduction_factor": reduction}
    request = config_request(
        config, settings, data, workers, address, accept_data=accept_data, quick=quick, tournament=tournament
    )
    result = run_select(request, out, Console(stderr=as_json))
    if as_json:
        print_json(result)
    else:
        print_selection(result, Console())
