"""The command `nas study pretraining`."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.cli.detect import DetectionData
from experiments.cli.options import AcceptData, Address, Config, Out, Quick, Settings, Workers, config_request

app = typer.Typer(no_args_is_help=True)


@app.callback()
def study() -> None:
    """Train the same network many times, to answer a question."""


@app.command(epilog="Example: nas study pretraining coco_study_small --pretrained runs/classifier --data DIR --out OUT")
def pretraining(  # noqa: PLR0913 - one argument for each option
    config: Config,
    *,
    backbone: Annotated[
        str | None, typer.Option(metavar="ARCH", help="Its architecture; default that of the classifier.")
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(metavar="CHECKPOINT", help="A trained classifier: a folder of nas train or nas export."),
    ] = None,
    data: DetectionData = None,
    out: Out = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings of each kind.")] = None,
    schedules: Annotated[
        str | None, typer.Option(metavar="1x,2x,..", help="Lengths of the trainings, as in the papers.")
    ] = None,
    fractions: Annotated[
        str | None, typer.Option(metavar="0.5,1", help="Shares of the training images, each part of the next.")
    ] = None,
    workers: Workers = None,
    address: Address = None,
    settings: Settings = None,
    accept_data: AcceptData = False,
    quick: Quick = False,
) -> None:
    """Train a detector from scratch and pre-trained, and compare them. Run the same command to resume."""
    from rich.console import Console

    from experiments.study.run import run_study
    from experiments.study.table import print_study

    asked = {
        "pretrained": pretrained,
        "num_seeds": seeds,
        "schedules": None if schedules is None else schedules.split(","),
        "fractions": None if fractions is None else _numbers(fractions),
    }
    request = config_request(
        config, settings, data, workers, address, accept_data=accept_data, quick=quick, study=asked
    )
    console = Console()
    value = run_study(request, backbone, out, console)
    print_study(value, console)
    if any(setting.num_failed for setting in value.settings):
        raise typer.Exit(1)  # the same command tries them again


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"fractions must be numbers such as 0.5,1, got {text!r:.60}") from None
