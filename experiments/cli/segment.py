"""The command `nas segment`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(epilog="Example: nas segment coco_segment_small --backbone nasnet-a --data DIR --norms bn,ibn_a,ibn_b")
def segment(  # noqa: PLR0913 - one argument for each option
    config: Annotated[str, typer.Argument(help="A YAML file, or a name such as coco_segment_small.")],
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
        Path | None, typer.Option(help="Folder with train, val and semantic/{train,val} with masks.")
    ] = None,
    test_data: Annotated[Path | None, typer.Option(help="Another such folder; measured on its val too.")] = None,
    norms: Annotated[
        str | None, typer.Option(metavar="NORM,NORM,...", help="Train with each of these norms, and compare them.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings with each of the norms.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder of the segmenter; runs/CONFIG if left out.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the training.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share every batch out among them.")] = None,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster: auto or HOST:PORT.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
    ] = None,
) -> None:
    """Train a segmenter on a backbone, or continue the training in the folder; measure it under shifts."""
    from rich.console import Console

    from experiments.downstream.inputs import DenseOptions
    from experiments.downstream.segment import run_segment
    from experiments.downstream.segment_norms import norms_table, run_norms

    options = DenseOptions(backbone, scratch, data, out, seed, workers, address, tuple(settings or ()))
    console = Console()
    if norms is None:
        if seeds != 1:
            raise ValueError("--seeds counts the trainings with each of --norms; one training has --seed")
        raise typer.Exit(run_segment(config, options, console, test_data=test_data))
    chosen = [name.strip() for name in norms.split(",")]
    value = run_norms(config, options, console, norms=chosen, num_seeds=seeds, test_data=test_data)
    console.print(norms_table(value))
