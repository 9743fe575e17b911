"""Divergence over depth, from files of weights to files of figures."""

import json

import pytest

from experiments.robustness.divergence import DivergenceOptions, run_divergence


def run(checkpoints, out, **settings):
    options = DivergenceOptions(**{"shift": "divide_contrast", "data": "digits", "severity": 4, **settings})
    return run_divergence([str(path) for path in checkpoints], out, options)


@pytest.fixture(scope="module")
def value(checkpoints, tmp_path_factory):
    out = tmp_path_factory.mktemp("divergence")
    value = run(checkpoints, out)
    assert json.loads((out / "divergence.json").read_text()) == value.to_json()
    assert {path.name for path in out.iterdir()} == {"divergence.json", "divergence.png", "divergence.svg"}
    return value


def test_layers_come_in_order_of_depth(value):
    names = [layer.name for layer in value.networks[0].layers]
    assert names == ["stem", "cell 1 (normal)", "cell 2 (reduction)", "cell 3 (normal)"]


def test_content_grows_with_depth(value):
    layers = value.networks[0].layers
    assert layers[-1].content > layers[0].content


def test_classes_can_be_chosen(checkpoints, tmp_path, value):
    one = run(checkpoints[:1], tmp_path, classes=("0", "1"))
    assert one.classes == "0 and 1"
    chosen, all_pairs = (v.networks[0].layers[-1].content for v in (one, value))
    assert chosen != all_pairs
    for classes, message in (
        (("0", "cat"), "unknown class 'cat'"),
        (("1", "1"), "two different ones"),
        (("1",), "two different ones"),
    ):
        with pytest.raises(ValueError, match=message):
            run(checkpoints[:1], tmp_path, classes=classes)


def test_style_takes_reference_pictures(checkpoints, tmp_path):
    value = run(checkpoints[:1], tmp_path, shift="style", most=40)
    assert value.shift == "style 4"
    assert value.networks[0].layers[0].appearance > 0


def test_unknown_shifts_are_refused_first(tmp_path):
    with pytest.raises(ValueError, match="a shift must be one of"):
        run_divergence(["nothing"], tmp_path, DivergenceOptions(shift="rain"))
