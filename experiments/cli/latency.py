"""The commands `nas latency measure`, `nas latency build` and `nas latency calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli import options
from experiments.cli.output import print_json

app = typer.Typer(help="Measure the latency of networks, and build tables that predict it.", no_args_is_help=True)

Backend = Annotated[str, typer.Option(help="torch (CPU), cuda, or onnxruntime (CPU; extra: onnx).")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
Stack = Annotated[str | None, typer.Option(help="Normal cells per stage, and channels or filters: 4@1056, 4x44.")]
Batch = Annotated[int, typer.Option(help="Images at a time.")]


@app.command(epilog="Example: nas latency measure runs/digits_ppo@front --backend onnxruntime")
def measure(  # noqa: PLR0913 - one argument for each option
    arch: Annotated[str, typer.Argument(metavar="ARCH", help="As for nas count; or an .onnx file, or its folder.")],
    *,
    backend: Backend = "torch",
    threads: Threads = 1,
    batch: Batch = 1,
    preset: options.Preset = None,
    stack: Stack = None,
    image_size: options.Size = None,
    classes: options.Classes = None,
    as_json: options.Json = False,
) -> None:
    """Measure the latency of a network on this machine: median, spread and the interval of the median."""
    from experiments.architectures.latency import latency_line, measure_named

    network = {"preset": preset, "stack": stack, "image_size": image_size, "num_classes": classes}
    asked = _settings(backend=backend, threads=threads, batch=batch, **network)
    found = measure_named(arch, asked)
    if as_json:
        print_json(found)
    else:
        typer.echo(latency_line(found))


@app.command(epilog="Example: nas latency build --space nasnet --stack 2x16 --out laptop.json")
def build(  # noqa: PLR0913 - one argument for each option
    *,
    out: Annotated[Path, typer.Option(help="The table, a JSON file.")],
    space: Annotated[str, typer.Option(help="Search space whose operations are measured: nasnet or tiny.")] = "nasnet",
    backend: Backend = "torch",
    threads: Threads = 1,
    batch: Batch = 1,
    preset: options.Preset = None,
    stack: Stack = None,
    image_size: options.Size = None,
    classes: options.Classes = None,
    samples: Annotated[int, typer.Option(help="Random networks whose parts are measured.")] = 150,
    check: Annotated[int, typer.Option(help="Other random networks on which the table is checked.")] = 100,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Measure the operations of a space once, and report how well their sum ranks whole networks."""
    from rich.console import Console

    from experiments.architectures.latency_table import TableRequest, build_table, report_line

    network = {"preset": preset, "stack": stack, "image_size": image_size, "num_classes": classes}
    asked = _settings(backend=backend, threads=threads, batch=batch, **network)
    request = TableRequest(space, asked, samples, check, seed or 0)
    report = build_table(request, out, Console(stderr=True))
    if as_json:
        print_json(report)
    else:
        typer.echo(f"{out}: {report_line(report)}")


@app.command(epilog="Example: nas latency calibrate --backend onnxruntime")
def calibrate(*, backend: Backend = "torch", threads: Threads = 1, as_json: options.Json = False) -> None:
    """Measure anew the nominal speed of this device, to which latencies on a CPU refer."""
    from experiments.architectures.latency import calibrate_device, calibration_line

    asked = _settings(backend=backend, threads=threads)
    found = calibrate_device(asked.backend, asked.threads)
    if as_json:
        print_json(found)
    else:
        typer.echo(calibration_line(found))


def _settings(**given: Any) -> Any:  # noqa: ANN401 - LatencySettings, which loads torch
    from experiments.config.parsing.sections import validate_section
    from nas.latency.settings import LatencySettings

    return validate_section("latency", given, LatencySettings)
