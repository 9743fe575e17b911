"""The command `nas select`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.options import (
    AcceptData,
    Address,
    Data,
    Json,
    Objectives,
    Quick,
    Settings,
    Workers,
    config_request,
    folder,
    folder_argument,
    split,
)
from experiments.cli.output import print_json

app = typer.Typer()


@app.command(epilog="Example: nas select runs/digits_ppo --top 8 --random 8 --config digits_full --out runs/tournament")
def select(  # noqa: PLR0913 - one argument for each option
    run: Annotated[Path, folder_argument("Folder of a search.")],
    *,
    config: Annotated[
        str | None, typer.Option(help="How candidates are trained: a YAML file, or a name such as digits_full.")
    ] = None,
    out: Annotated[Path | None, folder("Folder of the tournament.")] = None,
    front: Annotated[
        bool, typer.Option("--front", help="Choose from the Pareto front instead, without training: its knee.")
    ] = False,
    bound: Annotated[
        list[str] | None, typer.Option(help="With --front: the best that keeps a bound, such as latency=5.")
    ] = None,
    objectives: Objectives = None,
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

    if front:
        training: dict[str, Any] = {"--config": config, "--out": out, "--top": top, "--random": random}
        training |= {"--grace": grace, "--reduction": reduction, "--data": data, "--workers": workers}
        training |= {"--address": address}
        training |= {"--seed": seed, "--set": settings, "--accept-data": accept_data or None, "--quick": quick or None}
        if given := [name for name, value in training.items() if value is not None]:
            raise ValueError(f"--front chooses without training, got {', '.join(given)}")
        _select_from_front(run, bound or [], split(objectives), as_json=as_json)
        return
    if config is None or out is None:
        raise ValueError("a tournament needs --config and --out; --front chooses without training")
    if bound or objectives:
        raise ValueError("--bound and --objectives are for --front")
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


def _select_from_front(run: Path, bounds: list[str], objectives: tuple[str, ...], *, as_json: bool) -> None:
    from experiments.search.front import best_within, run_front
    from nas.objectives import find_objective

    front = run_front(run, objectives)
    place = best_within(front, bounds) if bounds else front.knee
    point = front.points[place]
    numbers = dict(zip(front.objectives, point.numbers, strict=True))
    if as_json:
        print_json({"arch": f"{run}@front{place + 1}", "trial": point.trial, **numbers})
        return
    shown = ", ".join(f"{name} {find_objective(name).text(number)}" for name, number in numbers.items())
    typer.echo(f"{run}@front{place + 1}: trial {point.trial}, {shown}")
