"""The command `nas segment`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli import options

app = typer.Typer()


@app.command(epilog="Example: nas segment coco_segment_small --backbone nasnet-a --data DIR --norms bn,ibn_a,ibn_b")
def segment(  # noqa: PLR0913 - one argument for each option
    config: options.Config,
    *,
    backbone: options.Backbone = None,
    scratch: options.Scratch = False,
    data: Annotated[
        Path | None,
        options.folder("Folder with train, val and semantic/{train,val} with masks; Cityscapes, GTA5, ADE20K, VOC."),
    ] = None,
    test_data: Annotated[
        Path | None, options.folder("Another such folder of equal classes whose val is evaluated.")
    ] = None,
    norms: Annotated[
        str | None, typer.Option(metavar="NORM,NORM,...", help="Train with each of these norms, and compare them.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings with each of the norms.")] = 1,
    out: options.Out = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    address: options.Address = None,
    settings: options.Settings = None,
    accept_data: options.AcceptData = False,
    quick: options.Quick = False,
) -> None:
    """Train a segmenter on a backbone, or resume the training in the folder, and evaluate it under shifts."""
    from rich.console import Console

    from experiments.downstream.inputs import BackboneRequest
    from experiments.downstream.segment import run_segment
    from experiments.downstream.segment_norms import norms_table, run_norms

    sections: dict[str, Any] = {"test": {"root": test_data}, "segmentation": {"seed": seed}}
    request = options.config_request(
        config, settings, data, workers, address, accept_data=accept_data, quick=quick, **sections
    )
    asked, console = BackboneRequest(backbone, scratch), Console()
    if norms is None:
        if seeds != 1:
            raise ValueError("--seeds is the number of trainings with each of --norms; one training has --seed")
        raise typer.Exit(run_segment(request, asked, out, console))
    chosen = [name.strip() for name in norms.split(",")]
    value = run_norms(request, asked, out, console, norms=chosen, num_seeds=seeds)
    console.print(norms_table(value))
