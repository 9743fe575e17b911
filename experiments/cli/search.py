"""The command `nas search`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from experiments.cli.options import (
    AcceptData,
    Address,
    Config,
    Data,
    Out,
    Quick,
    Seed,
    Settings,
    Workers,
    config_request,
)

app = typer.Typer()


@app.command(epilog="Example: nas search digits_ppo --trials 40 --out runs/first")
def search(  # noqa: PLR0913 - one argument for each option
    config: Config,
    *,
    out: Out = None,
    data: Data = None,
    controller: Annotated[
        str | None, typer.Option(help="Another controller, with its default settings: random, reinforce, ...")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials of the finished run.")] = None,
    seed: Seed = None,
    workers: Workers = None,
    address: Address = None,
    settings: Settings = None,
    accept_data: AcceptData = False,
    quick: Quick = False,
) -> None:
    """Run a search, or resume the one in the folder.

    Press Ctrl-C once to finish running trials and stop, twice to abandon them.
    """
    from rich.console import Console

    from experiments.search.run import run_search

    sections: dict[str, Any] = {"controller": {"name": controller}, "search": {"num_trials": trials, "seed": seed}}
    request = config_request(config, settings, data, workers, address, accept_data=accept_data, quick=quick, **sections)
    raise typer.Exit(run_search(request, out, Console()))
