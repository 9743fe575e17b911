"""The command `nas study pretraining`; its work is done in `experiments.study.run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def study() -> None:
    """Train the same network many times, to answer a question."""


@app.command(epilog="Example: nas study pretraining coco_study_small --pretrained runs/classifier --data DIR --out OUT")
def pretraining(  # noqa: PLR0913 - one argument for each option
    config: Annotated[str, typer.Argument(help="A YAML file, or a name such as coco_study_small, or of a detector.")],
    *,
    backbone: Annotated[
        str | None, typer.Option(metavar="ARCH", help="Its architecture; that of the classifier if left out.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(metavar="CHECKPOINT", help="A trained classifier: what nas train or nas export wrote.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder with train, val and annotations in COCO's JSON format.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the study; runs/CONFIG_study if left out.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings of each kind.")] = None,
    schedules: Annotated[
        str | None, typer.Option(metavar="1x,2x,..", help="Lengths of the trainings, by the papers' rule.")
    ] = None,
    fractions: Annotated[
        str | None, typer.Option(metavar="0.5,1", help="Shares of the training pictures, parts of one another.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Trainings at a time at most.")] = None,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster: auto or HOST:PORT.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
    ] = None,
) -> None:
    """Train a detector from scratch and pre-trained, and say which is ahead; the same command goes on where it was."""
    from rich.console import Console

    from experiments.study.run import StudyOptions, run_study
    from experiments.study.table import print_study

    options = StudyOptions(
        backbone, pretrained, data, out, seeds, schedules, fractions, workers, address, tuple(settings or ())
    )
    console = Console()
    value = run_study(config, options, console)
    print_study(value, console)
    if any(setting.num_failed for setting in value.settings):
        raise typer.Exit(1)  # the same command tries them again
