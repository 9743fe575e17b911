"""The command `nas evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.cli.options import Json
from experiments.cli.output import print_json

app = typer.Typer()


@app.command(epilog="Example: nas evaluate best --data DIR")
def evaluate(
    network: Annotated[str, typer.Argument(metavar="DIR", help="An exported folder, a training, a checkpoint, RUN@k.")],
    *,
    data: Annotated[str | None, typer.Option(help="Folder of the images, or digits.")] = None,
    crop: Annotated[
        list[int] | None, typer.Option(min=8, max=8192, help="Side of the central crop that is classified; repeatable.")
    ] = None,
    resize: Annotated[
        int | None, typer.Option(min=8, max=8192, help="Shorter side to which images are resized before.")
    ] = None,
    code: Annotated[
        bool, typer.Option("--code", help="Run model.py of an exported folder; only one that you trust.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Evaluate a trained network on the test images again, from its exported files alone."""
    from experiments.training.evaluate import EvaluateOptions, evaluation_lines, run_evaluate

    value = run_evaluate(network, EvaluateOptions(data, tuple(crop or ()), resize, code))
    if as_json:
        print_json(value)
    else:
        for line in evaluation_lines(value):
            typer.echo(line)
