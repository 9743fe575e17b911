"""The command `nas compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Json, folder, folder_argument
from experiments.cli.output import print_result

app = typer.Typer()


@app.command(epilog="Example: nas compare runs/digits_ppo runs/digits_random --out runs/comparison")
def compare(
    runs: Annotated[list[Path], folder_argument("Run folders, one for each strategy and seed.")],
    *,
    out: Annotated[Path, folder("Folder for curves, comparison.json and report.html.")],
    force: Annotated[bool, typer.Option("--force", help="Compare although space, fidelity or data differ.")] = False,
    pool_workers: Annotated[
        bool, typer.Option("--pool-workers", help="Treat runs with different numbers of workers as one strategy.")
    ] = False,
    target: Annotated[
        float | None, typer.Option(help="Accuracy of the trials-to-target curves, 0 to 1; default the best known.")
    ] = None,
    accept_data: Annotated[bool, typer.Option("--accept-data", help="Compare although the images differ.")] = False,
    as_json: Json = False,
) -> None:
    """Compare runs grouped by controller, wrapper and workers: curves, tables, tests, and a report."""
    from experiments.comparison.run import compare_runs, print_comparison

    changes = {"force": force, "accept_data": accept_data, "pool_workers": pool_workers}
    print_result(compare_runs(runs, out, target=target, **changes), print_comparison, as_json=as_json)
