"""The command `nas detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli import options

app = typer.Typer()
DetectionData = Annotated[
    Path | None, options.folder("Folder with train, val and annotations in COCO's JSON format, or VOCdevkit.")
]


@app.command(epilog="Example: nas detect coco_small --backbone nasnet-a --data DIR --out runs/detector")
def detect(  # noqa: PLR0913 - one argument for each option
    config: options.Config,
    *,
    backbone: options.Backbone = None,
    scratch: options.Scratch = False,
    data: DetectionData = None,
    out: options.Out = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    address: options.Address = None,
    settings: options.Settings = None,
    accept_data: options.AcceptData = False,
    quick: options.Quick = False,
) -> None:
    """Train a detector on a backbone, or resume the training in the folder. A trained backbone keeps its weights."""
    from rich.console import Console

    from experiments.downstream.detect import run_detect
    from experiments.downstream.inputs import BackboneRequest

    request = options.config_request(
        config, settings, data, workers, address, accept_data=accept_data, quick=quick, detection={"seed": seed}
    )
    raise typer.Exit(run_detect(request, BackboneRequest(backbone, scratch), out, Console()))
