import inspect

import pytest
import typer

from experiments.architectures.find import NetworkOptions
from experiments.cli import architectures as cli_arch
from experiments.cli.ablate import ablate
from experiments.cli.options import config_request, named_folder, network_options
from experiments.cli.train import train
from experiments.config.resolve import ConfigRequest

COMMANDS = (cli_arch.draw, cli_arch.export, cli_arch.count, train, ablate)


def test_options_become_those_of_a_network():
    assert network_options("cifar10", "1@96", 16, 5, ("5M", None)) == NetworkOptions("cifar10", "1@96", 16, 5, "5M")
    assert not network_options(None, None, None, None, (None, None)).given


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
    request = config_request("digits_full", ["recipe.epochs=1"], data__root="images", search__num_trials=None)
    changes = {("data", "root"): "images", ("search", "num_trials"): None}
    assert request == ConfigRequest("digits_full", changes, ("recipe.epochs=1",))
    assert config_request("digits_full", None) == ConfigRequest("digits_full")
