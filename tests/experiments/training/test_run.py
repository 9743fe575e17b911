"""`nas train` in this process, on digits."""

import io
import json
import shutil

import pytest
from rich.console import Console
from safetensors.torch import load_file

from experiments.architectures.find import NetworkOptions, find_architecture
from experiments.architectures.trained import find_trained
from experiments.cli.main import main
from experiments.config.resolve import ConfigRequest
from experiments.training import run as training
from experiments.training.inputs import NetworkRequest
from experiments.training.run import run_train
from nas.architecture import Architecture, Block, Cell, Edge

CONFIG = """\
training: {seed: 1}
network: {num_filters: 2, num_repeats: 1, num_stages: 2}
recipe: {epochs: 1, batch_size: 32, learning_rate: 0.1, crop_padding: 0, flip: false}
data: {name: digits, num_train: 100, validation_fraction: 0.2}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A configuration, an architecture, and a finished training of it."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "digits.yaml").write_text(CONFIG)
    for name, op in (("cell", "conv_3x3"), ("other", "conv_1x1")):
        cell = Cell((Block(Edge(0, "identity"), Edge(1, op)),))
        (folder / f"{name}.json").write_text(json.dumps(Architecture(cell, cell).to_json()))
    assert train(folder, "done")[0] == 0
    return folder


def train(folder, out, arch="cell.json", *, network=NetworkOptions(), settings=(), **training):  # noqa: B008
    console = Console(file=io.StringIO(), width=200)
    if arch is not None:
        arch = str(folder / arch)
    request = ConfigRequest(
        str(folder / "digits.yaml"), {("training", key): value for key, value in training.items()}, settings
    )
    code = run_train(request, NetworkRequest(arch, network), folder / out, console)
    return code, console.file.getvalue()


def test_the_folder_holds_all_that_is_promised(folder):
    names = {path.name for path in (folder / "done").iterdir()}
    assert names >= {"config.yaml", "environment.json", "architecture.json", "metrics.jsonl", "curves.png"}
    assert names >= {"result.json", "network.safetensors", "state.safetensors"}
    result = json.loads((folder / "done" / "result.json").read_text())
    assert result["network"]["num_classes"] == 10
    assert result["network"]["image_size"] == 8


def test_the_same_command_again_only_says_what_came_of_it(folder):
    before = (folder / "done" / "state.safetensors").stat().st_mtime_ns
    (folder / "done" / "curves.png").unlink()  # as after a kill at the very end
    code, text = train(folder, "done")
    assert (folder / "done" / "curves.png").is_file()
    assert code == 0
    assert "test, raw: top-1" in text
    assert "images per second" in text
    assert (folder / "done" / "state.safetensors").stat().st_mtime_ns == before
    assert train(folder, "done", arch=None)[0] == 0  # the folder knows what it trains


def test_a_training_can_be_used_wherever_an_architecture_or_a_trained_network_is_asked_for(folder):
    source = find_architecture(str(folder / "done"))
    assert source.weights == folder / "done" / "network.safetensors"
    assert source.fidelity.data.name == "digits"
    assert find_architecture(str(source.weights)).architecture == source.architecture
    trained = find_trained(str(folder / "done"))
    assert trained.data.num_train == 100
    assert trained.checkpoint.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"out": "done", "seed": 2},
            r"holds a run with another configuration \(training.seed: 1 in the folder, 2 requested",
        ),
        ({"out": "done", "arch": "other.json"}, "another configuration .architecture: .* in the folder, .* requested"),
        ({"out": "new", "arch": None}, "the architecture to train must be given with --arch, or --from a checkpoint"),
        (
            {"out": "new", "settings": ("network.num_classes=7",)},
            "network.num_classes must be 10, as the images have it",
        ),
        ({"out": "new", "settings": ("network.image_size=16",)}, "8 pixels are too small for crops of 16"),
        ({"out": "new", "network": NetworkOptions(classes=7)}, "network.num_classes must be 10, as the images have"),
        ({"out": "new", "network": NetworkOptions(image_size=16)}, "8 pixels are too small for crops of 16"),
        ({"out": "new", "network": NetworkOptions(image_size=4)}, "network.image_size: .* got 4"),
        ({"out": "new", "network": NetworkOptions(preset="imagenet")}, "unknown preset 'imagenet'"),
        ({"out": "new", "network": NetworkOptions(stack="1@3")}, "the channels of a stack must be a multiple of"),
        ({"out": "new", "network": NetworkOptions(parameters="10")}, "got a budget of 10 parameters"),
        ({"out": "new", "network": NetworkOptions(multiply_adds="some")}, "an amount must be a number such as 600M"),
        ({"out": "new", "settings": ("recipe.epocs=1",)}, "did you mean epochs?"),
        ({"out": "new", "settings": ("data.name=image_folder",)}, "must be given with --data"),
    ],
)
def test_what_does_not_fit_is_one_clear_line_and_leaves_no_folder(folder, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        train(folder, **options)
    assert "\n" not in str(caught.value)
    assert not (folder / "new").exists()


def test_weights_of_another_architecture_are_refused(folder):
    start = str(folder / "done")
    with pytest.raises(ValueError, match=r"network.safetensors must hold weights of the architecture that is trained"):
        train(folder, "new", arch="other.json", start=start)


def test_a_fine_tune_takes_the_network_from_the_checkpoint(folder):
    settings = ("network.num_filters=8", "recipe.learning_rate=1e-9", "recipe.momentum=0.0")
    _code, text = train(folder, "tuned", arch=None, start=str(folder / "done"), settings=settings)
    assert "done/network.safetensors, " in text
    assert any(line.endswith(" parameters are taken over") for line in text.splitlines())  # the classes are the same
    result = json.loads((folder / "tuned" / "result.json").read_text())
    assert result["network"]["num_filters"] == 2
    before, after = (load_file(folder / name / "network.safetensors") for name in ("done", "tuned"))
    assert (before["classifier.weight"] - after["classifier.weight"]).abs().max() < 1e-6


def test_a_fine_tune_takes_no_other_stack(folder):
    with pytest.raises(ValueError, match="cannot be combined with --preset, --stack, --parameters or --multiply-adds"):
        train(folder, "new", arch=None, start=str(folder / "done"), network=NetworkOptions(parameters="5K"))
    assert not (folder / "new").exists()


def test_the_command_line_says_what_is_wrong_in_one_line(folder, capsys):
    assert main(["train", "digits_ppo", "--arch", str(folder / "cell.json")]) == 2
    assert "this is a configuration of `nas search`" in capsys.readouterr().err
    assert main(["search", str(folder / "digits.yaml")]) == 2
    assert "this is a configuration of `nas train`" in capsys.readouterr().err


def test_a_training_by_a_budget_goes_on_with_the_same_command_and_without_naming_the_network(folder):
    budget = NetworkOptions(parameters="5K")
    _code, text = train(folder, "fitted", network=budget)
    line = next(each for each in text.splitlines() if each.startswith("network: "))
    assert line.endswith("the widest network within 5,000 parameters")
    result = json.loads((folder / "fitted" / "result.json").read_text())
    filters = result["network"]["num_filters"]
    assert result["num_parameters"] <= 5000
    assert f"{filters} filters, 8 x 8 pixels, 10 classes: {result['num_parameters']:,} parameters" in line
    assert filters > 2  # as the configuration has it
    state = (folder / "fitted" / "state.safetensors").stat().st_mtime_ns
    for arch, network in (("cell.json", budget), (None, budget), (None, NetworkOptions())):
        assert train(folder, "fitted", arch=arch, network=network)[0] == 0
    same_stack = NetworkOptions(stack=line.split()[1].rstrip(","))
    assert train(folder, "fitted", network=same_stack)[0] == 0
    assert (folder / "fitted" / "state.safetensors").stat().st_mtime_ns == state
    with pytest.raises(ValueError, match=rf"network.num_filters: {filters} in the folder, 2 requested"):
        train(folder, "fitted")


def test_a_folder_in_which_no_epoch_was_done_is_bound_to_nothing(folder, monkeypatch):
    def stop(*_):
        raise RuntimeError("no memory left")

    with monkeypatch.context() as patch:
        patch.setattr(training, "run_training", stop)
        with pytest.raises(RuntimeError, match="no memory left"):
            train(folder, "begun", seed=5)
    assert (folder / "begun" / "config.yaml").is_file()
    assert train(folder, "begun", seed=6)[0] == 0
    assert json.loads((folder / "begun" / "result.json").read_text())["seed"] == 6


def test_a_teacher_that_does_not_fit_is_refused_before_there_is_a_folder(folder):
    with pytest.raises(ValueError, match=r"cell.json is not a safetensors file|cell.json has no trained weights"):
        train(folder, "new", teacher=str(folder / "cell.json"))
    assert not (folder / "new").exists()


def test_a_full_disk_is_said(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.files.atomic_write.os.fsync", full)
    with pytest.raises(RuntimeError, match=r"new2/config.yaml cannot be written: No space left on device"):
        train(folder, "new2")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("architecture.json", "architecture.json does not describe an architecture"),
        ("result.json", "result.json is not valid JSON: .*; delete it and rerun the command"),
        ("config.yaml", "config.yaml"),
        ("state.safetensors", "state.safetensors is not a safetensors file that can be read"),
    ],
)
def test_a_broken_file_of_the_folder_is_named(folder, tmp_path, name, message):
    shutil.copytree(folder / "done", tmp_path / "done")
    if name == "state.safetensors":
        (tmp_path / "done" / "result.json").unlink()
    (tmp_path / "done" / name).write_text("{")
    with pytest.raises(ValueError, match=message) as caught:
        train(folder, tmp_path / "done", arch=None)
    assert "\n" not in str(caught.value)
