"""The command `nas train`."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.cli import options

app = typer.Typer()
ToTrain = Annotated[
    str | None,
    typer.Option(metavar="ARCH", help="A JSON file, a run (its best trial), RUN@3, a checkpoint or a published name."),
]


@app.command(epilog="Example: nas train cifar10_small --arch nasnet-a --data DIR --out runs/trained")
def train(  # noqa: PLR0913 - one argument for each option
    config: options.Config,
    *,
    arch: ToTrain = None,
    out: options.Out = None,
    data: options.Data = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="CHECKPOINT", help="Weights to fine-tune: a file, RUN@k, ...")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Network to distill: a checkpoint, RUN@k or torchvision:resnet50.")
    ] = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    address: options.Address = None,
    settings: options.Settings = None,
    accept_data: options.AcceptData = False,
    quick: options.Quick = False,
    preset: options.Preset = None,
    stack: options.Stack = None,
    image_size: options.Size = None,
    classes: options.Classes = None,
    parameters: options.Parameters = None,
    multiply_adds: options.MultiplyAdds = None,
) -> None:
    """Train a network to the end, or resume the training in the folder from its last checkpoint."""
    from rich.console import Console

    from experiments.architectures.find import NetworkOptions
    from experiments.training.inputs import NetworkRequest
    from experiments.training.run import run_train

    training = {"start": start, "teacher": teacher, "seed": seed}
    request = options.config_request(
        config, settings, data, workers, address, accept_data=accept_data, quick=quick, training=training
    )
    network = NetworkOptions(preset, stack, image_size, classes, parameters, multiply_adds)
    raise typer.Exit(run_train(request, NetworkRequest(arch, network), out, Console()))
