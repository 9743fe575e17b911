"""`nas evaluate` on an export of a training that knows its test accuracy."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.architectures.trained import find_trained, load_test_images
from experiments.cli.main import main
from experiments.robustness.divergence import DivergenceOptions, measure_divergence
from experiments.robustness.run import ShiftGrid, measure_robustness
from experiments.training.evaluate import EvaluateOptions, evaluation_lines, run_evaluate
from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.digits import load_digits
from nas.data.load import load_data
from nas.export.folder import export_checkpoint
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.models.build import build
from nas.models.checkpoint import save_checkpoint
from nas.models.reference.names import ReferenceNetwork
from nas.training.run import TrainingPlan, run_training

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))


def save_images(root, size=10):
    draw = np.random.default_rng(0)
    for part, number in (("train", 8), ("val", 4)):
        for level, name in ((0, "dark"), (120, "bright")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(number):
                pixels = (draw.integers(0, 100, (size, size, 3)) + level).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network trained on crops of 8 out of 10 pixels, exported; and its images."""
    folder = tmp_path_factory.mktemp("evaluate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_CACHE", str(folder / "cache"))
        save_images(folder / "images")
        spec = DataSpec("image_folder", str(folder / "images"), image_size=10, validation_fraction=0.25)
        recipe = TrainRecipe(epochs=1, batch_size=4, learning_rate=0.1, crop_padding=0)
        network = NetworkSpec(num_classes=2, image_size=8, num_filters=2, num_repeats=1, num_stages=2)
        (folder / "training").mkdir()
        plan = TrainingPlan(Architecture(CELL, CELL), Fidelity(network, recipe, spec))
        run_training(plan, load_data(spec), folder / "training")
        export_checkpoint(folder / "training" / "network.safetensors", folder / "export")
        yield folder


def options(folder, **settings):
    return EvaluateOptions(data=str(folder / "images"), **settings)


def test_files_that_are_not_used_are_named(folder):
    (folder / "images" / "val" / "dark" / "notes.txt").write_text("no image")
    value = run_evaluate(str(folder / "export"), options(folder))
    (folder / "images" / "val" / "dark" / "notes.txt").unlink()
    said = "data: 8 test images; left out: 1 files without the suffix of an image (dark/notes.txt)"
    assert evaluation_lines(value)[0] == said


@pytest.mark.parametrize("code", [False, True])
def test_an_export_alone_gives_the_recorded_accuracy(folder, code):
    value = run_evaluate(str(folder / "export"), options(folder, code=code))
    recorded = json.loads((folder / "training" / "result.json").read_text())["test"]["raw"]
    assert value["crops"] == {"8": recorded}
    assert value["reproduced"] is True
    assert value["resize"] == 10
    assert ("model.py" in value["ran"]) is code
    assert evaluation_lines(value)[-1].startswith("as recorded: top-1")


def test_the_images_may_be_the_test_images_alone(folder, tmp_path):
    shutil.copytree(folder / "images" / "val", tmp_path / "test")
    assert run_evaluate(str(folder / "export"), EvaluateOptions(str(tmp_path)))["reproduced"] is True


def test_other_crops_and_sizes_are_measured_when_asked_for(folder):
    value = run_evaluate(str(folder / "export"), options(folder, crops=(10, 8)))
    assert list(value["crops"]) == ["10", "8"]
    larger = run_evaluate(str(folder / "export"), options(folder, crops=(12,), resize=12))
    assert larger["crops"]["12"]["num_images"] == 8


def test_a_network_without_a_recorded_accuracy_is_measured_all_the_same(folder):
    value = run_evaluate(str(folder / "export"), options(folder))
    assert evaluation_lines({**value, "recorded": None})[-1].startswith("no test accuracy is recorded")
    assert evaluation_lines({**value, "reproduced": False})[-1].startswith("not as recorded")


def test_a_network_of_a_library_is_measured_as_others_are(tmp_path, run_cli):
    spec = NetworkSpec(in_channels=1, image_size=8)
    with torch.random.fork_rng():
        network = build(ReferenceNetwork("timm:mobilenetv3_small_050"), spec)
    save_checkpoint(tmp_path / "network.safetensors", network, data=load_digits(DataSpec()), accuracy=None)
    code, _, err = run_cli("evaluate", tmp_path / "network.safetensors", "--data", "digits", "--json")
    assert (code, err) == (0, "")
    found = find_trained(str(tmp_path / "network.safetensors"))
    images = load_test_images([found], "digits", most=60)[0]
    robustness = measure_robustness([found], images, ShiftGrid(("noise",), (3,)))
    divergence = measure_divergence([found], images, DivergenceOptions("noise"))
    assert 0 <= robustness.networks[0].shifts["noise"]["3"].accuracy.value <= 1
    layers = divergence.networks[0].layers
    assert [layer.name for layer in layers][:3] == ["conv_stem", "bn1", "blocks.0"]
    assert all(layer.appearance > 0 for layer in layers)
    code, _, err = run_cli("evaluate", "timm:mobilenetv3_small_050", "--data", "digits")
    assert code == 2
    assert len(err.splitlines()) == 1


def test_what_does_not_fit_is_one_line(folder, tmp_path):
    for part in ("train", "val"):
        (tmp_path / part / "dark").mkdir(parents=True)
    with pytest.raises(ValueError, match="must hold the classes of the training folder, bright is missing"):
        run_evaluate(str(folder / "export"), EvaluateOptions(str(tmp_path)))
    with pytest.raises(ValueError, match="--data must name the folder of the images"):
        run_evaluate(str(folder / "export"), EvaluateOptions())
    with pytest.raises(ValueError, match="the classes of the images must be bright, dark, got "):
        run_evaluate(str(folder / "export"), EvaluateOptions("digits"))
    with pytest.raises(ValueError, match=r"there is no model\.py beside"):
        run_evaluate(str(folder / "training"), options(folder, code=True))


def test_the_command_prints_lines_or_json(folder, capsys):
    words = ["evaluate", str(folder / "export"), "--data", str(folder / "images")]
    assert main(words) == 0
    assert "as recorded" in capsys.readouterr().out
    assert main([*words, "--json", "--crop", "8"]) == 0
    assert json.loads(capsys.readouterr().out)["reproduced"] is True
