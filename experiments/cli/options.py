"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from experiments.config.resolve import ConfigRequest


def named_folder(text: str) -> Path:
    """The folder that an option names; nothing would be the current one, which nobody means."""
    if not text.strip():
        raise typer.BadParameter("it must name a folder, got nothing")
    return Path(text)


def folder(text: str) -> Any:  # noqa: ANN401 - as typer.Option
    """An option that names a folder, with its help."""
    return typer.Option(parser=named_folder, help=text)


def folder_argument(text: str) -> Any:  # noqa: ANN401 - as typer.Argument
    """An argument that names a folder, with its help."""
    return typer.Argument(parser=named_folder, help=text)


Config = Annotated[str, typer.Argument(help="A YAML file, or the name of a configuration, see the example below.")]
Arch = Annotated[
    str,
    typer.Argument(
        metavar="ARCH",
        help="A JSON file, a run (its best trial), RUN@3 (its third best), an exported folder, or a published name.",
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        metavar="ARCH|CHECKPOINT",
        help="An architecture, or a trained network: a checkpoint, or a folder of nas train or nas export.",
    ),
]
Scratch = Annotated[bool, typer.Option("--scratch", help="Do not use the weights of a trained backbone.")]
Objectives = Annotated[
    str | None, typer.Option(help="Comma-separated objectives of the front; default those that the search sought.")
]
Out = Annotated[Path | None, folder("Output folder; default runs/CONFIG.")]
Data = Annotated[Path | None, folder("Folder of the images.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all random numbers.")]
Workers = Annotated[int | None, typer.Option(help="Maximum number of workers at a time.")]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster: auto or HOST:PORT.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable.")
]
AcceptData = Annotated[bool, typer.Option("--accept-data", help="Resume although the images have changed.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="Only a few steps of everything, in a folder of its own, to see that it runs.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

Preset = Annotated[str | None, typer.Option(help="Network around the cells: cifar10, imagenet-mobile, ...")]
Stack = Annotated[str | None, typer.Option(metavar="N@P", help="Normal cells per stage @ final channels, e.g. 6@768.")]
Size = Annotated[int | None, typer.Option(help="Height and width of the images, pixels.")]
Classes = Annotated[int | None, typer.Option(help="Number of classes.")]
Parameters = Annotated[
    str | None, typer.Option(help="Parameter budget, e.g. 5M; the widest network that fits is used.")
]
MultiplyAdds = Annotated[
    str | None, typer.Option(help="Budget of multiply-adds per image, e.g. 600M; the widest network that fits is used.")
]


def config_request(
    source: str,
    settings: list[str] | None,
    data: Path | None,
    workers: int | None,
    address: str | None,
    *,
    accept_data: bool = False,
    quick: bool = False,
    **sections: Mapping[str, Any],
) -> ConfigRequest:
    """The configuration that a command line asks for.

    Args:
        source: A YAML file, or the name of a configuration.
        settings: Values of ``--set``.
        data: Folder of the images.
        workers: Maximum number of workers at a time.
        address: Of a Ray cluster.
        accept_data: Whether a run is resumed although its images have changed.
        quick: Whether what is not given is shortened to a few steps.
        **sections: Values of further options by section and key; None leaves a setting as it is.
    """
    from experiments.config.resolve import ConfigRequest

    if not source.strip():  # which stands for the defaults elsewhere
        raise ValueError("a configuration must be named, got an empty text")
    shared: dict[str, Mapping[str, Any]] = {
        "data": {"root": data},
        "workers": {"num_workers": workers, "address": address},
    }
    changes = {(name, key): value for name, part in {**shared, **sections}.items() for key, value in part.items()}
    return ConfigRequest(source, changes, tuple(settings or ()), accept_data=accept_data, quick=quick)


def split(text: str | None) -> tuple[str, ...]:
    """The comma-separated parts of a text."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
