"""The command `nas status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Json, Objectives, folder_argument, split
from experiments.cli.output import print_result

app = typer.Typer()


@app.command(epilog="Example: nas status runs/digits_ppo --json")
def status(
    run: Annotated[Path, folder_argument("Folder of a search or of trainings.")],
    *,
    front: Annotated[bool, typer.Option("--front", help="Show the Pareto front of a search instead.")] = False,
    objectives: Objectives = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw the front: a name that ends in .svg, .png or .pdf.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show progress, failures and the ten best trials of a search, or the progress of trainings."""
    from experiments.search.status import print_status, run_status

    if front:
        from experiments.architectures.front_figure import draw_front
        from experiments.search.front import print_front, run_front

        if plot is not None:
            draw_front(run, plot, split(objectives))
        print_result(run_front(run, split(objectives)), print_front, as_json=as_json)
        return
    if objectives is not None or plot is not None:
        raise ValueError("--objectives and --plot are for --front")

    print_result(run_status(run), print_status, as_json=as_json)
