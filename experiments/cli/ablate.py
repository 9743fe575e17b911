"""The command `nas ablate`."""

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
    Settings,
    Size,
    Stack,
    Workers,
    config_request,
    network_options,
)
from experiments.cli.train import ToTrain

app = typer.Typer()


@app.command(epilog="Example: nas ablate cifar10_small --arch nasnet-a --seeds 3 --data DIR --out runs/ablation")
def ablate(  # noqa: PLR0913 - one argument for each option
    config: Config,
    *,
    arch: ToTrain = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each recipe; default 3.")] = None,
    out: Out = None,
    data: Data = None,
    teacher: Annotated[str | None, typer.Option(help="Network to distill.")] = None,
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
    """Train a recipe with its tricks added one at a time. Run the same command to resume."""
    from rich.console import Console

    from experiments.training.ablation import print_ablation, run_ablation
    from experiments.training.inputs import NetworkRequest

    request = config_request(
        config,
        settings,
        ablation__num_seeds=seeds,
        data__root=data,
        training__teacher=teacher,
        workers__num_workers=workers,
        workers__address=address,
    )
    network = network_options(preset, stack, image_size, classes, (parameters, multiply_adds))
    console = Console()
    print_ablation(run_ablation(request, NetworkRequest(arch, network), out, console), console)
