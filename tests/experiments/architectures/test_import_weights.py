from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from timm.models.nasnet import NASNetALarge

from experiments.architectures import import_weights as module
from experiments.architectures.find import find_architecture
from experiments.architectures.import_weights import import_weights
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.checkpoint import load_checkpoint
from nas.models.reference.names import ReferenceNetwork
from search_spaces.published import PUBLISHED


@pytest.fixture(scope="module")
def narrow():
    """Timm's network with 4 filters in place of 168."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NASNetALarge(num_classes=5, stem_size=8, num_features=24 * 4).eval()


@pytest.fixture(scope="module")
def weights(narrow, tmp_path_factory):
    path = tmp_path_factory.mktemp("timm") / "model.safetensors"
    save_file(narrow.state_dict(), path)
    return path


def test_weights_become_a_folder_that_stands_for_itself(narrow, weights, tmp_path):
    files = import_weights(str(weights), tmp_path / "out", accuracy=0.8)
    assert {path.name for path in files} >= {"model.py", "weights.safetensors", "architecture.json", "cells.svg"}
    assert all(path.exists() for path in files)
    checkpoint = load_checkpoint(tmp_path / "out" / "weights.safetensors")
    assert (checkpoint.accuracy, len(checkpoint.class_names), checkpoint.mean) == (0.8, 5, (0.5, 0.5, 0.5))
    assert checkpoint.network.architecture == PUBLISHED["nasnet-a"]
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = narrow((images - 0.5) / 0.5)
    save_file({"images": images}, tmp_path / "images.safetensors")
    code = (
        "import sys, torch, model; from safetensors.torch import load_file, save_file\n"
        "images = load_file('../images.safetensors')['images']\n"
        "with torch.no_grad(): logits = model.load()(model.normalize(images))\n"
        "save_file({'logits': logits}, '../logits.safetensors')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "out", check=True, timeout=600)
    logits = load_file(tmp_path / "logits.safetensors")["logits"]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert json.loads((tmp_path / "out" / "architecture.json").read_text())["normal"]


def test_published_weights_are_asked_of_timm(narrow, tmp_path, monkeypatch):
    asked = []

    def create_model(name: str, *, pretrained: bool) -> NASNetALarge:
        asked.append((name, pretrained))
        return narrow

    monkeypatch.setattr("timm.create_model", create_model)
    assert module._read("nasnetalarge").keys() == narrow.state_dict().keys()
    assert asked == [("nasnetalarge", True)]


def test_without_timm_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RuntimeError, match=r"install 'nas-engine\[timm\]'"):
        import_weights("pnasnet5large", tmp_path / "out", accuracy=0.8)


@pytest.mark.parametrize(
    ("content", "accuracy", "message"),
    [
        (None, 0.8, "weights must be a file or one of nasnetalarge, pnasnet5large"),
        (b"not tensors", 0.8, "must be a safetensors file"),
        ({"fc.weight": torch.zeros(2, 2)}, 0.8, "must be a state dict of timm's"),
        ({"fc.weight": torch.zeros(2, 2)}, 1.8, "must be between 0 and 1, got 1.8"),
        ({"fc.weight": torch.zeros(2, 2)}, float("nan"), "must be between 0 and 1, got nan"),
    ],
)
def test_other_files_are_refused(tmp_path, content, accuracy, message):
    path = tmp_path / "weights.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        save_file(content, path)
    with pytest.raises(ValueError, match=message):
        import_weights(str(path), tmp_path / "out", accuracy=accuracy)
    assert not (tmp_path / "out").exists()


def test_weights_of_a_reference_network_become_a_trained_network(tmp_path):
    theirs = torchvision.models.squeezenet1_1(num_classes=3).eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    (tmp_path / "names.txt").write_text("cat\ndog\nowl\n")
    files = import_weights(
        str(tmp_path / "weights.pth"),
        tmp_path / "out",
        accuracy=None,
        arch="torchvision:squeezenet1_1",
        classes=tmp_path / "names.txt",
    )
    assert {path.name for path in files} == {"architecture.json", "README.md", "weights.safetensors"}
    checkpoint = load_checkpoint(tmp_path / "out" / "weights.safetensors")
    assert (checkpoint.class_names, checkpoint.accuracy, checkpoint.mean[0]) == (("cat", "dog", "owl"), None, 0.485)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(checkpoint.network(images), theirs(images))
    source = find_architecture(str(tmp_path / "out"))
    assert source.architecture == ReferenceNetwork("torchvision:squeezenet1_1")
    assert source.weights == tmp_path / "out" / "weights.safetensors"


@pytest.mark.parametrize(
    ("arch", "names", "message"),
    [
        ("resnet18-ibn-a", None, "weights.safetensors: the weights must be those of resnet18-ibn-a; .* are missing"),
        ("nasnet-a", None, "--arch must be a reference network such as resnet50 or timm:NAME, got nasnet-a"),
        ("resnet18-ibn-b", "cat\n", "names.txt must name 3 classes, one in each line, got 1"),
    ],
)
def test_weights_that_do_not_belong_to_a_reference_network_are_refused(tmp_path, arch, names, message):
    network = build(ReferenceNetwork("resnet18-ibn-b"), NetworkSpec(num_classes=3, stem="imagenet"))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    classes = None
    if names is not None:
        classes = tmp_path / "names.txt"
        classes.write_text(names)
    with pytest.raises(ValueError, match=message) as raised:
        import_weights(
            str(tmp_path / "weights.safetensors"), tmp_path / "out", accuracy=0.5, arch=arch, classes=classes
        )
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()
