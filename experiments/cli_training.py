"""The command `nas train`; its work is done in `experiments.training`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

_Config = Annotated[str, typer.Argument(help="A YAML file, or a name such as cifar10_small.")]
_Arch = Annotated[
    str | None,
    typer.Option(metavar="ARCH", help="A JSON file, a run (its best trial), RUN@3, a checkpoint or a published name."),
]
_Data = Annotated[Path | None, typer.Option(help="Folder of the images.")]
_Workers = Annotated[int | None, typer.Option(help="Processes that share every batch out among them.")]
_Address = Annotated[str | None, typer.Option(help="A running Ray cluster: auto or HOST:PORT.")]
_Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
]


@app.command(epilog="Example: nas train cifar10_small --arch nasnet-a --data DIR --out runs/trained")
def train(  # noqa: PLR0913 - one argument for each option
    config: _Config,
    *,
    arch: _Arch = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the training; runs/CONFIG if left out.")] = None,
    data: _Data = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="CHECKPOINT", help="Weights to start from: a file, RUN@k, ...")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Whose answers are distilled: a checkpoint, RUN@k or torchvision:resnet50.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the training.")] = None,
    workers: _Workers = None,
    address: _Address = None,
    settings: _Settings = None,
) -> None:
    """Train a network to the end, or continue the training in the folder: it goes on after the last whole epoch."""
    from rich.console import Console

    from experiments.training import TrainOptions, run_train

    options = TrainOptions(arch, out, data, start, teacher, seed, workers, address, tuple(settings or ()))
    raise typer.Exit(run_train(config, options, Console()))
