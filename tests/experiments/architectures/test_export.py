"""What `nas export` leaves in a folder, from names, files and runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from experiments.architectures import export
from experiments.architectures.export import export_architecture
from experiments.architectures.find import ArchitectureSource, NetworkOptions, find_architecture, network_spec
from nas.architecture import Architecture
from nas.data.data_set import DataSet, Split
from nas.fidelity import NetworkSpec
from nas.ledger.writer import read_ledger
from nas.models.build import build
from nas.models.checkpoint import load_checkpoint, save_checkpoint
from nas.models.network import build_network
from nas.models.reference.names import ReferenceNetwork
from search_spaces.published import PUBLISHED

SPEC = NetworkSpec(num_classes=2, image_size=8, num_filters=4, num_repeats=1, num_stages=2, auxiliary=True)


@pytest.fixture
def run(write_run: Callable[..., Path]) -> Path:
    """A run whose best trial has weights."""
    folder = write_run("exported", "ppo", 0)
    best = read_ledger(folder / "ledger.jsonl").best(1)[0]
    split = Split(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]))
    data = DataSet(split, split, lambda: split, ("cat", "dog"), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = build_network(best.trial.architecture, SPEC)
    save_checkpoint(folder / "weights" / f"trial-{best.trial.id}.safetensors", network, data=data, accuracy=0.5)
    return folder


def test_a_published_name_gives_code_and_drawing(tmp_path: Path) -> None:
    files = export_architecture(find_architecture("nasnet-a"), tmp_path / "out", NetworkOptions(stack="2@192"))
    assert [path.name for path in files] == ["model.py", "architecture.json", "README.md", "network.json", "cells.svg"]
    assert all(path.stat().st_size > 300 for path in files)
    value = json.loads((tmp_path / "out" / "architecture.json").read_text())
    assert Architecture.from_json(value) == PUBLISHED["nasnet-a"]
    assert "nasnet-a" in (tmp_path / "out" / "cells.svg").read_text()


def test_a_cell_of_edges_gives_code_and_drawing_and_with_weights_a_model(tmp_path: Path) -> None:
    source = find_architecture("|nor_conv_3x3~0|+|avg_pool_3x3~0|skip_connect~1|")
    files = export_architecture(source, tmp_path / "out")
    assert [path.name for path in files] == ["model.py", "architecture.json", "README.md", "network.json", "cells.svg"]
    assert "as in NAS-Bench-201 (2001.00326)" in (tmp_path / "out" / "README.md").read_text()
    assert "avg_pool_3x3" in (tmp_path / "out" / "cells.svg").read_text()
    assert find_architecture(str(tmp_path / "out")).architecture == source.architecture
    split = Split(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]))
    data = DataSet(split, split, lambda: split, ("cat", "dog"), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    network = build(source.architecture, replace(SPEC, auxiliary=False)).eval()
    save_checkpoint(tmp_path / "weights.safetensors", network, data=data, accuracy=0.5)
    files = export_architecture(find_architecture(str(tmp_path / "weights.safetensors")), tmp_path / "trained")
    assert {path.name for path in files} >= {"model.py", "weights.safetensors", "cells.svg"}
    images = torch.rand(2, 3, 8, 8)
    code = compile((tmp_path / "trained" / "model.py").read_text(), str(tmp_path / "trained" / "model.py"), "exec")
    module = sys.modules["trained_edges"] = ModuleType("trained_edges")
    module.__file__ = str(tmp_path / "trained" / "model.py")
    exec(code, module.__dict__)  # noqa: S102 - what was exported just now
    with torch.no_grad():
        normalized = (images - torch.tensor(data.mean).view(-1, 1, 1)) / torch.tensor(data.std).view(-1, 1, 1)
        torch.testing.assert_close(module.load()(module.normalize(images)), network(normalized))


def test_a_run_gives_its_trained_network(run: Path, tmp_path: Path) -> None:
    source = find_architecture(str(run))
    files = export_architecture(source, tmp_path)
    assert {path.name for path in files} >= {"model.py", "weights.safetensors"}
    assert source.weights is not None
    trained = load_checkpoint(source.weights).network
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = trained(
            (images - torch.tensor([0.1, 0.2, 0.3]).view(-1, 1, 1)) / torch.tensor([0.4, 0.5, 0.6]).view(-1, 1, 1)
        )
    np.save(tmp_path / "images.npy", images.numpy())
    script = (
        "import sys; sys.path.insert(0, '.'); import model, numpy, torch; "
        "images = torch.from_numpy(numpy.load('images.npy')); "
        "numpy.save('logits.npy', model.load()(model.normalize(images)).detach().numpy())"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "logits.npy")), expected, atol=1e-5, rtol=1e-5)


def test_options_ask_for_another_network_without_weights(run: Path, tmp_path: Path) -> None:
    files = export_architecture(find_architecture(str(run)), tmp_path, NetworkOptions(classes=5, image_size=16))
    assert "weights.safetensors" not in {path.name for path in files}
    assert "num_classes: int = 5" in (tmp_path / "model.py").read_text()


def test_an_exported_folder_is_an_architecture_again(run: Path, tmp_path: Path) -> None:
    export_architecture(find_architecture(str(run)), tmp_path / "one")
    source = find_architecture(str(tmp_path / "one"))
    assert source.architecture == find_architecture(str(run)).architecture
    assert source.weights == tmp_path / "one" / "weights.safetensors"
    assert source.fidelity is not None
    assert source.fidelity.network == replace(SPEC, auxiliary=False)
    export_architecture(source, tmp_path / "two")
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_an_untrained_export_keeps_its_network(tmp_path: Path) -> None:
    options = NetworkOptions(stack="2@192", classes=7, image_size=40)
    source = find_architecture("nasnet-a")
    export_architecture(source, tmp_path / "one", options)
    again = find_architecture(str(tmp_path / "one"))
    assert again.weights is None
    assert again.fidelity is not None
    assert again.fidelity.network == network_spec(source, options)
    (tmp_path / "one" / "network.json").write_text('{"num_filters": 0}')
    with pytest.raises(ValueError, match=r"network.json does not describe a network"):
        find_architecture(str(tmp_path / "one"))


def test_a_trained_network_can_be_a_program_as_well(run: Path, tmp_path: Path) -> None:
    files = export_architecture(find_architecture(str(run)), tmp_path, programs=["torch-export"], normalize=True)
    assert {path.name for path in files} >= {"model.py", "model.pt2", "cells.svg"}
    extra = {"nas-engine.json": ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=extra)
    metadata = {name: json.loads(value) for name, value in json.loads(extra["nas-engine.json"]).items()}
    assert metadata == {
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "class_names": ["cat", "dog"],
        "resize": 8,
        "crop": 8,
        "values": [0, 1],
        "normalization_inside": True,
    }
    card = (tmp_path / "README.md").read_text()
    assert "shorter side resized to 8 pixels, center crop of 8 x 8 pixels, values from 0 to 1" in card
    assert "| mean of the channels | 0.1, 0.2, 0.3 |" in card
    assert "| class names | cat, dog |" in card


def test_programs_need_weights_and_known_names(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a network must be trained to be exported as a program"):
        export_architecture(find_architecture("nasnet-a"), tmp_path / "out", programs=["onnx"])
    with pytest.raises(ValueError, match="a program must be one of torch-export, onnx, features, got 'tflite'"):
        export_architecture(find_architecture(str(run)), tmp_path / "out", programs=["tflite"])
    with pytest.raises(ValueError, match="normalization can be put into programs only"):
        export_architecture(find_architecture(str(run)), tmp_path / "out", normalize=True)
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="the target of an export must be a folder, got the file"):
        export_architecture(ArchitectureSource("x", PUBLISHED["nasnet-a"]), tmp_path / "out")


def test_impossible_options_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2@250"):
        export_architecture(find_architecture("nasnet-a"), tmp_path / "out", NetworkOptions(stack="2@250"))
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "export_untrained", full)
    with pytest.raises(RuntimeError, match=r"the folder .*out cannot be written: No space left on device"):
        export_architecture(find_architecture("nasnet-a"), tmp_path / "out", NetworkOptions(stack="2@192"))


def test_reference_networks_are_exported_without_code(tmp_path):
    files = export_architecture(find_architecture("torchvision:squeezenet1_1"), tmp_path / "plain")
    assert [path.name for path in files] == ["architecture.json", "README.md", "network.json"]
    described = find_architecture(str(tmp_path / "plain"))
    assert described.architecture == ReferenceNetwork("torchvision:squeezenet1_1")
    assert described.fidelity.network.image_size == 224
    assert "The image classifier torchvision:squeezenet1_1" in (tmp_path / "plain" / "README.md").read_text()


def test_a_trained_reference_network_is_exported_as_programs(tmp_path):
    spec = NetworkSpec(num_classes=2, image_size=32, stem="imagenet", norm="frozen_bn")
    split = Split(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]))
    data = DataSet(split, split, lambda: split, ("cat", "dog"), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    network = build(ReferenceNetwork("timm:mobilenetv3_small_050"), spec).eval()
    save_checkpoint(tmp_path / "trained.safetensors", network, data=data, accuracy=0.5)
    programs = ("torch-export", "features")
    files = export_architecture(
        find_architecture(str(tmp_path / "trained.safetensors")), tmp_path / "out", programs=programs
    )
    names = {path.name for path in files}
    assert names == {"architecture.json", "README.md", "weights.safetensors", "model.pt2", "features.pt2"}
    exported = load_checkpoint(tmp_path / "out" / "weights.safetensors").network
    assert exported.spec.norm == "bn"  # frozen norms are written as batch norms, which compute the same
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(exported(images), network(images))
        program = torch.export.load(tmp_path / "out" / "model.pt2").module()
        torch.testing.assert_close(program(images), network(images))
        maps = torch.export.load(tmp_path / "out" / "features.pt2").module()(images)
    assert [each.shape[-1] for each in maps] == [8, 4, 2, 1]
