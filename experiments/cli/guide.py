"""The commands `nas config`, `nas configs`, `nas init`, `nas schema` and `nas plugins`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Json, folder
from experiments.cli.output import print_json, print_result

app = typer.Typer()


@app.command(epilog="Example: nas config digits_ppo > mine.yaml")
def config(
    name: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a configuration.")],
) -> None:
    """Print a configuration with every setting, its meaning, default and range."""
    from experiments.guide.configs import explained

    typer.echo(explained(name), nl=False)


@app.command(epilog="Example: nas configs")
def configs(*, as_json: Json = False) -> None:
    """List the configurations that come with this package."""
    from experiments.guide.configs import shipped_configs

    found = shipped_configs()
    if as_json:
        print_json([each.to_json() for each in found])
        return
    width = max(len(each.name) for each in found)
    for each in found:
        typer.echo(f"{each.name:{width}}  nas {each.command:15}  {each.purpose}")


@app.command(epilog="Example: nas init --data photos mine.yaml")
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The file to write.")],
    *,
    data: Annotated[Path | None, folder("Folder of the images; the embedded digits without it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the configuration of a search that fits your images and this machine, with every setting explained."""
    from experiments.guide.init import write_init

    for line in write_init(file, data, force=force):
        typer.echo(line)


@app.command(epilog="Example: nas schema search > search.schema.json")
def schema(
    command: Annotated[str, typer.Argument(help="The command whose configurations it describes.")] = "search",
) -> None:
    """Print a JSON schema of the configurations of a command, for editors."""
    from experiments.guide.schema import config_schema

    print_json(config_schema(command))


@app.command(epilog="Example: nas plugins --import my_package")
def plugins(*, as_json: Json = False) -> None:
    """List operations, norms, spaces, controllers, evaluators, rewards and data sets, also those of your packages."""
    from experiments.guide.plugins import list_plugins, print_plugins

    print_result(list_plugins(), print_plugins, as_json=as_json)
