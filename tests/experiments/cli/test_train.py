import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.architectures.find import NetworkOptions
from experiments.cli.main import main
from experiments.training import run as training
from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.image_folder import load_image_folder
from nas.fidelity import DataSpec, NetworkSpec
from nas.models.checkpoint import save_checkpoint
from nas.models.network import build_network


def test_options_reach_the_training(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(training, "run_train", lambda *arguments: seen.append(arguments) or 0)
    words = ["train", "cifar10_small", "--arch", "nasnet-a", "--seed", "3", "--workers", "2", "--address", "auto"]
    words += ["--set", "recipe.epochs=1", "--out", str(tmp_path), "--from", "a", "--teacher", "b", "--data", "c"]
    assert main(words) == 0
    ((request, network, out, _),) = seen
    assert (request.source, request.settings, out) == ("cifar10_small", ("recipe.epochs=1",), tmp_path)
    assert request.changes == {
        ("data", "root"): Path("c"),
        ("training", "start"): "a",
        ("training", "teacher"): "b",
        ("training", "seed"): 3,
        ("workers", "num_workers"): 2,
        ("workers", "address"): "auto",
    }
    assert network.arch == "nasnet-a"
    assert not network.options.given


def test_the_network_is_described_as_for_nas_count(monkeypatch):
    seen = []
    monkeypatch.setattr(training, "run_train", lambda _request, network, *_: seen.append(network.options) or 0)
    words = ["--preset", "cifar10", "--stack", "1@96", "--image-size", "16", "--classes", "5"]
    assert main(["train", "cifar10_small", *words, "--parameters", "5M", "--multiply-adds", "600M"]) == 0
    assert seen == [NetworkOptions("cifar10", "1@96", 16, 5, "5M", "600M")]


def test_a_folder_without_a_name_is_refused(capsys):
    assert main(["train", "digits_full", "--arch", "nasnet-a", "--out", ""]) == 2
    assert "it must name a folder, got nothing" in capsys.readouterr().err


@pytest.fixture
def pictures(tmp_path):
    """A folder of small pictures of two classes, and a configuration for it."""
    random = np.random.default_rng(0)
    for split, number in (("train", 8), ("val", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for place in range(number):
                Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / f"{place}.jpg")
    (tmp_path / "small.yaml").write_text(
        "training: {}\nnetwork: {num_filters: 2, num_repeats: 1, num_stages: 1}\n"
        "recipe: {epochs: 1, batch_size: 4, crop_padding: 0}\ndata: {name: image_folder, validation_fraction: 0.25}\n"
    )
    return tmp_path / "pictures"


def train(pictures, *more):
    out = pictures.parent / "out"
    words = ["train", str(pictures.parent / "small.yaml"), "--data", str(pictures), "--out", str(out)]
    return main([*words, *map(str, more)]), out


def spoil_a_picture(pictures):
    (pictures / "train" / "dog" / "3.jpg").write_bytes(b"no picture")
    return "dog/3.jpg is not an image that can be decoded"


def cut_a_picture_short(pictures):
    path = pictures / "train" / "cat" / "0.jpg"
    path.write_bytes(path.read_bytes()[:-40])
    return "cat/0.jpg is not an image that can be decoded"


def lose_a_class(pictures):
    shutil.rmtree(pictures / "val" / "dog")
    return "val must hold the classes of the training folder, dog is missing"


def empty_a_class(pictures):
    for path in (pictures / "val" / "dog").iterdir():
        path.unlink()
    return "val/dog must hold images, got none"


@pytest.mark.parametrize("spoil", [spoil_a_picture, cut_a_picture_short, lose_a_class, empty_a_class])
def test_images_that_are_not_in_order_are_one_clear_line(pictures, capsys, spoil):
    message = spoil(pictures)
    code, out = train(pictures, "--arch", "nasnet-a")
    said = capsys.readouterr().err
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("error: ")
    assert message in said
    assert not out.exists()


def test_weights_of_another_architecture_are_one_clear_line(pictures, capsys):
    cell = Cell((Block(Edge(0, "identity"), Edge(1, "conv_1x1")),))
    with torch.random.fork_rng([]):
        network = build_network(Architecture(cell, cell), NetworkSpec(num_classes=2, image_size=8, num_filters=2))
    data = load_image_folder(DataSpec("image_folder", str(pictures)))
    save_checkpoint(pictures.parent / "other.safetensors", network, data=data, accuracy=0.5)
    code, out = train(pictures, "--arch", "nasnet-a", "--from", pictures.parent / "other.safetensors")
    said = capsys.readouterr().err
    assert (code, said.count("\n"), out.exists()) == (2, 1, False)
    assert "must hold weights of the architecture that is trained" in said


def test_too_little_disk_is_one_clear_line(pictures, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    code, _ = train(pictures, "--arch", "nasnet-a")
    said = capsys.readouterr().err
    assert (code, said.count("\n")) == (2, 1)
    assert "0.0 MB are free; free disk space or choose another folder" in said
