"""The commands `nas train`, `nas evaluate` and `nas ablate`; their work is done in modules of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import (
    Classes,
    MultiplyAdds,
    Parameters,
    Preset,
    Size,
    Stack,
    named_folder,
    network_options,
)

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
    out: Annotated[
        Path | None, typer.Option(parser=named_folder, help="Folder of the training; runs/CONFIG if left out.")
    ] = None,
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
    preset: Preset = None,
    stack: Stack = None,
    image_size: Size = None,
    classes: Classes = None,
    parameters: Parameters = None,
    multiply_adds: MultiplyAdds = None,
) -> None:
    """Train a network to the end, or continue the training in the folder: it goes on after the last whole epoch."""
    from rich.console import Console

    from experiments.training.inputs import TrainOptions
    from experiments.training.run import run_train

    network = network_options(preset, stack, image_size, classes, (parameters, multiply_adds))
    options = TrainOptions(arch, out, data, start, teacher, seed, workers, address, tuple(settings or ()), network)
    raise typer.Exit(run_train(config, options, Console()))


@app.command(epilog="Example: nas evaluate best --data DIR")
def evaluate(
    network: Annotated[str, typer.Argument(metavar="DIR", help="An exported folder, a training, a checkpoint, RUN@k.")],
    *,
    data: Annotated[str | None, typer.Option(help="Folder of the images, or digits.")] = None,
    crop: Annotated[
        list[int] | None, typer.Option(min=8, help="Side of the square in the middle that is classified; repeatable.")
    ] = None,
    resize: Annotated[int | None, typer.Option(min=8, help="To which the shorter side is brought before.")] = None,
    code: Annotated[
        bool, typer.Option("--code", help="Run model.py of an exported folder; only one that you trust.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of lines.")] = False,
) -> None:
    """Measure a trained network again on the test images, from what was exported alone."""
    from experiments.training.evaluate import EvaluateOptions, evaluation_lines, run_evaluate

    value = run_evaluate(network, EvaluateOptions(data, tuple(crop or ()), resize, code))
    if as_json:
        typer.echo(json.dumps(value, indent=2, allow_nan=False))
    else:
        for line in evaluation_lines(value):
            typer.echo(line)


@app.command(epilog="Example: nas ablate cifar10_small --arch nasnet-a --seeds 3 --data DIR --out runs/ablation")
def ablate(  # noqa: PLR0913 - one argument for each option
    config: _Config,
    *,
    arch: _Arch = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each recipe.")] = 3,
    out: Annotated[
        Path | None, typer.Option(parser=named_folder, help="Folder; runs/CONFIG_ablation if left out.")
    ] = None,
    data: _Data = None,
    teacher: Annotated[str | None, typer.Option(help="Whose answers are distilled.")] = None,
    workers: _Workers = None,
    address: _Address = None,
    settings: _Settings = None,
    preset: Preset = None,
    stack: Stack = None,
    image_size: Size = None,
    classes: Classes = None,
    parameters: Parameters = None,
    multiply_adds: MultiplyAdds = None,
) -> None:
    """Train a recipe with its tricks added one at a time; the same command goes on where it was."""
    from rich.console import Console

    from experiments.training.ablation import print_ablation, run_ablation
    from experiments.training.inputs import TrainOptions

    network = network_options(preset, stack, image_size, classes, (parameters, multiply_adds))
    options = TrainOptions(arch, out, data, None, teacher, None, workers, address, tuple(settings or ()), network)
    console = Console()
    print_ablation(run_ablation(config, options, seeds, console), console)
