import inspect

import pytest
import typer

from experiments.cli import architectures as cli_arch
from experiments.cli.ablate import ablate
from experiments.cli.options import config_request, named_folder
from experiments.cli.train import train

COMMANDS = (cli_arch.draw, cli_arch.export, cli_arch.count, train, ablate)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_every_command_that_builds_a_network_has_the_same_options(command):
    def options(function):
        parameters = inspect.signature(function).parameters
        return {name: parameters[name].annotation for name in ("preset", "stack", "image_size", "classes")} | {
            name: parameters[name].annotation for name in ("parameters", "multiply_adds")
        }

    assert options(command) == options(cli_arch.count)


def test_a_folder_must_have_a_name():
    assert named_folder("runs/a").parts == ("runs", "a")
    for text in ("", " "):
        with pytest.raises(typer.BadParameter, match="it must name a folder, got nothing"):
            named_folder(text)


def test_options_become_a_request():
    search = {"num_trials": None, "seed": 2}
    request = config_request("digits_full", ["recipe.epochs=1"], "images", None, "auto", search=search)
    given = {("data", "root"): "images", ("workers", "address"): "auto", ("search", "seed"): 2}
    assert request.source == "digits_full"
    assert {key: value for key, value in request.changes.items() if value is not None} == given
    assert request.settings == ("recipe.epochs=1",)
    assert not any(config_request("digits_full", None, None, None, None).changes.values())
