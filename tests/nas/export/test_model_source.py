"""The whole file: what people see first, and what their input cannot do to it."""

from __future__ import annotations

import ast

import pytest

from nas.export.model_source import Labels, bare_spec, model_source, plain_title
from nas.fidelity import NetworkSpec
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
