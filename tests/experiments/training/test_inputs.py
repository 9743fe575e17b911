"""The configuration of a training, resolved from file, folder and command line; nothing is trained."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from experiments.architectures.find import NetworkOptions, find_architecture, network_spec
from experiments.config.kinds import TRAINING
from experiments.config.resolve import ConfigRequest
from experiments.config.training_config import TrainingConfig
from experiments.runs.run_folder import RunFolder
from experiments.training.inputs import NetworkRequest, load_training, resolve_training
from nas.models.presets import PRESETS
from nas.models.reference.names import ReferenceNetwork

CONFIG = """\
training: {}
network: {num_filters: 2, num_repeats: 1, num_stages: 2, drop_path: 0.1}
recipe: {epochs: 1, batch_size: 32}
data: {name: digits, num_train: 100, validation_fraction: 0.2}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "digits.yaml"
    path.write_text(CONFIG)
    return str(path)


NOTHING = NetworkRequest()


def resolve(config, network=NOTHING, *settings, stored=None, folder=Path("nowhere"), **training):
    if stored is not None:
        folder.mkdir()
        RunFolder(folder).write_config(stored)
    request = ConfigRequest(config, {("training", key): value for key, value in training.items()}, settings)
    return resolve_training(TRAINING, request, network, RunFolder(folder))


def load(config, network, *settings, folder=Path("nowhere")):
    console = Console(file=io.StringIO(), width=200)
    request, folder = ConfigRequest(config, settings=settings), RunFolder(folder)
    document = resolve_training(TRAINING, request, network, folder)
    _data, loaded, architecture = load_training(TrainingConfig, document, request, network, folder, console)
    return loaded.fidelity.network, architecture, console.file.getvalue()


def test_the_command_line_comes_after_the_file_and_single_settings_after_its_options(config):
    network = NetworkRequest(options=NetworkOptions(image_size=16))
    settings = ("network.image_size=24", "recipe.epochs=9")
    document = resolve(config, network, *settings, seed=3, teacher="torchvision:resnet18")
    assert document["training"] == {"seed": 3, "teacher": "torchvision:resnet18"}
    assert (document["recipe"]["epochs"], document["recipe"]["distillation"]) == (9, 0.5)
    assert (document["network"]["image_size"], document["network"]["drop_path"]) == (24, 0.1)


def test_a_preset_takes_the_place_of_the_section_but_for_what_the_images_decide(config):
    options = NetworkOptions("cifar10", image_size=8)
    network, _, _ = load(config, NetworkRequest("nasnet-a", options), "network.dropout=0.3")
    preset = PRESETS["cifar10"]
    assert (network.num_filters, network.num_repeats) == (preset.num_filters, preset.num_repeats)
    assert (network.drop_path, network.dropout) == (preset.drop_path, 0.3)
    assert (network.num_classes, network.in_channels, network.image_size) == (10, 1, 8)


def test_a_budget_chooses_what_nas_count_chooses(config):
    options = NetworkOptions(multiply_adds="1M", image_size=8)
    network, architecture, said = load(config, NetworkRequest("nasnet-a", options))
    source = find_architecture("nasnet-a")
    base = TrainingConfig.parse(resolve(config)).fidelity
    counted = network_spec(type(source)(source.name, source.architecture, base), options)
    assert network.num_filters == counted.num_filters > 2
    assert "\nnetwork: 1@" in said
    assert said.endswith("the widest network within 1,000,000 multiply-adds\n")
    assert architecture == source.architecture


def test_a_reference_network_has_no_stack_to_set(config):
    _network, architecture, said = load(config, NetworkRequest("resnet18"))
    assert architecture == ReferenceNetwork("resnet18")
    assert "\nnetwork: CIFAR form (a 3x3 stem of stride 1, without pool), 8 x 8 pixels, 10 classes: " in said
    with pytest.raises(ValueError, match="must have cells of blocks, got resnet18"):
        load(config, NetworkRequest("resnet18", NetworkOptions(parameters="1M")))


def test_a_folder_knows_its_network_and_where_things_lie(config, tmp_path):
    stored = {
        "network": {"num_filters": 6},
        "data": {"root": "/images", "name": "other"},
        "training": {"start": "/weights", "seed": 8},
    }
    document = resolve(config, NOTHING, "network.num_repeats=3", stored=stored, folder=tmp_path / "run")
    assert document["network"] == {"num_filters": 6, "num_repeats": 3}
    assert (document["data"]["root"], document["data"]["name"]) == ("/images", "digits")
    assert document["training"] == {"start": "/weights"}
    named = resolve(config, NetworkRequest("nasnet-a"), folder=tmp_path / "run")
    assert named["network"]["num_filters"] == 2


@pytest.mark.parametrize("stored", [{"network": 3}, {"training": None, "data": []}])
def test_what_a_folder_does_not_say_is_left_to_the_file(config, tmp_path, stored):
    assert resolve(config, stored=stored, folder=tmp_path / "run") == resolve(config)


def test_a_folder_of_something_else_names_no_architecture(config, tmp_path):
    with pytest.raises(ValueError, match="the architecture to train must be given with --arch, or --from a checkpoint"):
        load(config, NOTHING, folder=tmp_path)
    (tmp_path / "architecture.json").write_text(json.dumps(find_architecture("nasnet-a").architecture.to_json()))
    assert load(config, NOTHING, folder=tmp_path)[1] == find_architecture("nasnet-a").architecture
