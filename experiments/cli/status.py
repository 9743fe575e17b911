"""The command `nas status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Json
from experiments.cli.output import print_result

app = typer.Typer()


@app.command(epilog="Example: nas status runs/digits_ppo --json")
def status(
    run: Annotated[Path, typer.Argument(help="Folder of a search or of trainings.")], *, as_json: Json = False
) -> None:
    """Show progress, failures and the ten best trials of a search, or the progress of trainings."""
    from experiments.search.status import print_status, run_status

    print_result(run_status(run), print_status, as_json=as_json)
