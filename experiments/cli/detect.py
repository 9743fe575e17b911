"""The command `nas detect`; its work is done in `experiments.downstream.detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(epilog="Example: nas detect coco_small --backbone nasnet-a --data DIR --out runs/detector")
def detect(  # noqa: PLR0913 - one argument for each option
    config: Annotated[str, typer.Argument(help="A YAML file, or a name such as coco_small.")],
    *,
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="ARCH|CHECKPOINT",
            help="An architecture, or a trained network: a checkpoint, or a folder of nas train or nas export.",
        ),
    ] = None,
    scratch: Annotated[bool, typer.Option("--scratch", help="Take no weights from a trained backbone.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder with train, val and annotations in COCO's JSON format.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the detector; runs/CONFIG if left out.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the training.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share every batch out among them.")] = None,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster: auto or HOST:PORT.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
    ] = None,
) -> None:
    """Train a detector on a backbone, or continue the training in the folder; from its weights if it is trained."""
    from rich.console import Console

    from experiments.downstream.detect import run_detect
    from experiments.downstream.inputs import DenseOptions

    options = DenseOptions(backbone, scratch, data, out, seed, workers, address, tuple(settings or ()))
    raise typer.Exit(run_detect(config, options, Console()))
