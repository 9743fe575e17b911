"""The command `nas ablate`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from experiments.cli import options
from experiments.cli.train import ToTrain

app = typer.Typer()


@app.command(epilog="Example: nas ablate cifar10_small --arch nasnet-a --seeds 3 --data DIR --out runs/ablation")
def ablate(  # noqa: PLR0913 - one argument for each option
    config: options.Config,
    *,
    arch: ToTrain = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each recipe; default 3.")] = None,
    out: options.Out = None,
    data: options.Data = None,
    teacher: Annotated[str | None, typer.Option(help="Network to distill.")] = None,
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
    """Train a recipe with its tricks added one at a time. Run the same command to resume."""
    from rich.console import Console

    from experiments.architectures.find import NetworkOptions
    from experiments.training.ablation import print_ablation, run_ablation
    from experiments.training.inputs import NetworkRequest

    sections: dict[str, Any] = {"ablation": {"num_seeds": seeds}, "training": {"teacher": teacher}}
    request = options.config_request(
        config, settings, data, workers, address, accept_data=accept_data, quick=quick, **sections
    )
    network = NetworkOptions(preset, stack, image_size, classes, parameters, multiply_adds)
    console = Console()
    print_ablation(run_ablation(request, NetworkRequest(arch, network), out, console), console)
