"""The command `nas detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import (
    Address,
    Backbone,
    Config,
    Out,
    Scratch,
    Seed,
    Settings,
    Workers,
    config_request,
)

app = typer.Typer()
CocoData = Annotated[Path | None, typer.Option(help="Folder with train, val and annotations in COCO's JSON format.")]


@app.command(epilog="Example: nas detect coco_small --backbone nasnet-a --data DIR --out runs/detector")
def detect(  # noqa: PLR0913 - one argument for each option
    config: Config,
    *,
    backbone: Backbone = None,
    scratch: Scratch = False,
    data: CocoData = None,
    out: Out = None,
    seed: Seed = None,
    workers: Workers = None,
    address: Address = None,
    settings: Settings = None,
) -> None:
    """Train a detector on a backbone, or resume the training in the folder. A trained backbone keeps its weights."""
    from rich.console import Console

    from experiments.downstream.detect import run_detect
    from experiments.downstream.inputs import BackboneRequest

    request = config_request(
        config,
        settings,
        data__root=data,
        detection__seed=seed,
        workers__num_workers=workers,
        workers__address=address,
    )
    raise typer.Exit(run_detect(request, BackboneRequest(backbone, scratch), out, Console()))
