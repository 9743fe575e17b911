"""The whole file: what people see first, and what their input cannot do to it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models.feature_extraction import create_feature_extractor

from nas.export.model_source import Labels, bare_spec, model_source, plain_title
from nas.fidelity import NetworkSpec
from nas.models.network import build_network
from nas.models.presets import PRESETS
from search_spaces.published import PUBLISHED

SMALL = NetworkSpec(num_filters=4, num_repeats=1, num_stages=1)
NASNET_A = PUBLISHED["nasnet-a"]


def test_the_docstring_says_what_it_is_and_how_to_use_it() -> None:
    text = model_source(NASNET_A, PRESETS["cifar10"], name="nasnet-a")
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert docstring.startswith("nasnet-a: an image classifier with 3,346,538 parameters")
    assert "network = Network()  # untrained" in docstring
    assert "(N, 3, H, W)" in docstring
    labels = Labels((0.5,) * 3, (0.2,) * 3, ("cat", "dog"))
    assert "logits = network(normalize(images))" in model_source(NASNET_A, SMALL, labels=labels)


@pytest.mark.parametrize(
    "name",
    ['"""\nimport os\nos.system("x")\n"""', "\\", "'''", "{title}", "a\nb", "\u202e", "x" * 1000, "", "%s %(x)s"],
)
def test_names_cannot_break_out(name: str) -> None:
    tree = ast.parse(model_source(NASNET_A, SMALL, name=name))
    expected = ast.parse(model_source(NASNET_A, SMALL, name="plain"))
    assert [ast.dump(node) for node in tree.body[1:]] == [ast.dump(node) for node in expected.body[1:]]
    assert len(plain_title(name)) <= 80
    assert plain_title(name)


@pytest.mark.parametrize("name", ['"', '"""', "\\", "x\ny", "');import os", "\ud800", "{}", "\u00e9"])
def test_class_names_cannot_break_out(name: str) -> None:
    text = model_source(NASNET_A, SMALL, labels=Labels((0.5,) * 3, (0.2,) * 3, (name, "dog")))
    assert text.isascii()
    (node,) = (n for n in ast.parse(text).body if isinstance(n, ast.Assign) and "CLASS_NAMES" in ast.unparse(n))
    assert ast.literal_eval(node.value) == (name, "dog")


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.5,), (0.2,), r"mean must be 3 finite numbers, one for each channel, got \(0.5,\)"),
        ((0.5,) * 3, (0.2,) * 2, "std must be 3 finite numbers"),
        ((float("nan"),) * 3, (0.2,) * 3, "mean must be 3 finite numbers"),
        ((0.5,) * 3, (), "std must be 3 finite numbers"),
    ],
)
def test_normalization_must_fit(mean: tuple[float, ...], std: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_source(NASNET_A, SMALL, labels=Labels(mean, std, ("cat", "dog")))


def test_what_serves_training_only_is_left_out() -> None:
    spec = bare_spec(PRESETS["cifar10"])
    assert not spec.auxiliary
    assert spec.drop_path == 0
    text = model_source(NASNET_A, PRESETS["cifar10"])
    assert "class ScheduledDropPath" not in text
    assert "class AuxiliaryHead" not in text


def test_a_network_of_one_stage_has_no_reduction_cell() -> None:
    classes = [node.name for node in ast.parse(model_source(NASNET_A, SMALL)).body if isinstance(node, ast.ClassDef)]
    assert "NormalCell" in classes
    assert "ReductionCell" not in classes


def test_equal_networks_give_equal_source() -> None:
    assert model_source(NASNET_A, SMALL, name="x") == model_source(NASNET_A, SMALL, name="x")


def load(text: str, path: Path) -> Any:
    """Imports exported code."""
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("norm", ["gn", "syncbn", "frozen_bn", "ibn_a", "ibn_b"])
def test_the_norm_of_the_classifier_is_part_of_the_code(norm: str, tmp_path: Path) -> None:
    spec = replace(SMALL, norm=norm, num_stages=2, image_size=16)
    torch.manual_seed(0)
    network = build_network(NASNET_A, spec).eval()
    exported = load(model_source(NASNET_A, spec), tmp_path / f"exported_{norm}.py").Network().eval()
    state = network.state_dict()
    if norm == "frozen_bn":  # written as batch norms
        state = exported.state_dict() | state
    exported.load_state_dict(state)
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(exported(images), network(images), rtol=1e-5, atol=1e-5)
    assert any(type(part).__name__ == "GroupNorm" for part in exported.modules()) == (norm == "gn")


def test_features_of_exported_code_can_be_extracted(tmp_path: Path) -> None:
    spec = replace(SMALL, num_stages=2, image_size=16)
    network = load(model_source(PUBLISHED["amoebanet-b"], spec), tmp_path / "exported_traced.py").Network()
    extractor = create_feature_extractor(network, ["relu", "classifier"]).eval()
    images = torch.randn(2, 3, 17, 20)  # another size than that of the code, and odd
    with torch.no_grad():
        torch.testing.assert_close(extractor(images)["classifier"], network.eval()(images))
