"""Options that several commands share: the folder that they write, and the network around the cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from experiments.architectures.find import NetworkOptions

Preset = Annotated[str | None, typer.Option(help="Network around the cells: cifar10, imagenet-mobile, ...")]
Stack = Annotated[str | None, typer.Option(metavar="N@P", help="Normal cells a stage @ last channels: 6@768.")]
Size = Annotated[int | None, typer.Option(help="Height and width of the images in pixels.")]
Classes = Annotated[int | None, typer.Option(help="Outputs of the classifier.")]
Parameters = Annotated[str | None, typer.Option(help="As wide a network as so many allow: 5M.")]
MultiplyAdds = Annotated[str | None, typer.Option(help="As wide as so many for one image allow: 600M.")]


def named_folder(text: str) -> Path:
    """The folder that an option names: nothing at all would be the current one, which nobody means."""
    if not text.strip():
        raise typer.BadParameter("it must name a folder, got nothing")
    return Path(text)


def network_options(
    preset: str | None,
    stack: str | None,
    image_size: int | None,
    classes: int | None,
    budget: tuple[str | None, str | None],
) -> NetworkOptions:
    """What the options of a command ask for; `budget` is that of parameters and that of multiply-adds."""
    from experiments.architectures.find import NetworkOptions

    return NetworkOptions(preset, stack, image_size, classes, *budget)
