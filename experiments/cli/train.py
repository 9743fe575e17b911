"""The command `nas train`."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.cli.options import (
    Address,
    Classes,
    Config,
    Data,
    MultiplyAdds,
    Out,
    Parameters,
    Preset,
    Seed,
    Settings,
    Size,
    Stack,
    Workers,
    config_request,
    network_options,
)

app = typer.Typer()
ToTrain = Annotated[
    str | None,
    typer.Option(metavar="ARCH", help="A JSON file, a run (its best trial), RUN@3, a checkpoint or a published name."),
]


@app.command(epilog="Example: nas train cifar10_small --arch nasnet-a --data DIR --out runs/trained")
def train(  # noqa: PLR0913 - one argument for each option
    config: Config,
    *,
    arch: ToTrain = None,
    out: Out = None,
    data: Data = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="CHECKPOINT", help="Weights to fine-tune: a file, RUN@k, ...")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Network to distill: a checkpoint, RUN@k or torchvision:resnet50.")
    ] = None,
    seed: Seed = None,
    workers: Workers = None,
    address: Address = None,
    settings: Settings = None,
    preset: Preset = None,
    stack: Stack = None,
    image_size: Size = None,
    classes: Classes = None,
    parameters: Parameters = None,
    multiply_adds: MultiplyAdds = None,
) -> None:
    """Train a network to the end, or resume the training in the folder from its last checkpoint."""
    from rich.console import Console

    from experiments.training.inputs import NetworkRequest
    from experiments.training.run import run_train

    request = config_request(
        config,
        settings,
        data__root=data,
        training__start=start,
        training__teacher=teacher,
        training__seed=seed,
        workers__num_workers=workers,
        workers__address=address,
    )
    network = network_options(preset, stack, image_size, classes, (parameters, multiply_adds))
    raise typer.Exit(run_train(request, NetworkRequest(arch, network), out, Console()))
