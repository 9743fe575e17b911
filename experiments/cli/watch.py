"""The commands `nas watch` and `nas report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import folder_argument

app = typer.Typer()

DEFAULT_PORT = 8321
_Runs = Annotated[list[Path], folder_argument("Folders of searches, which may be running.")]


@app.command(epilog="Example: nas watch runs/digits_ppo runs/digits_random")
def watch(
    runs: _Runs,
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the server; 0 takes a free one.")] = DEFAULT_PORT,
    host: Annotated[
        str, typer.Option(help="Address of the server; other machines can reach any but loopback, with a token.")
    ] = "127.0.0.1",
) -> None:
    """Show searches in the browser while they run: press Ctrl-C to stop the server."""
    from rich.console import Console

    from experiments.watch.server import watch_runs

    watch_runs(runs, host, port, Console())


@app.command(epilog="Example: nas report runs/digits_ppo --out report.html")
def report(
    runs: _Runs,
    *,
    out: Annotated[Path, typer.Option(help="The page: one HTML file with its data, which needs no network.")],
) -> None:
    """Write the page of nas watch as one file, to share or to keep."""
    from experiments.watch.report import write_report

    write_report(runs, out)
    typer.echo(str(out))
