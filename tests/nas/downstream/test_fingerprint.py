"""Fingerprints of trainings: equal where the same is computed."""

import dataclasses

import torch
from safetensors.torch import save_file

from nas.downstream.fingerprint import plain, training_fingerprint, weights_digest
from nas.downstream.recipe import RUN_SETTINGS, DenseRecipe

RECIPE = DenseRecipe()
CHANGES = {
    "device": "cpu",
    "num_threads": 3,
    "record_iterations": 10,
    "checkpoint_iterations": 20,
    "evaluation_iterations": 20,
}


def test_how_a_training_is_run_makes_no_difference():
    assert set(CHANGES) == set(RUN_SETTINGS)
    same = training_fingerprint({"a": 1}, dataclasses.replace(RECIPE, **CHANGES), None)
    assert training_fingerprint({"a": 1}, RECIPE, None) == same
    assert training_fingerprint({"a": 2}, RECIPE, None) != same
    assert training_fingerprint({"a": 1}, dataclasses.replace(RECIPE, flip=False), None) != same


def test_weights_count_by_content(tmp_path):
    for name, value in (("a", 0.0), ("b", 0.0), ("c", 1.0)):
        (tmp_path / name).mkdir()
        save_file({"w": torch.full((2,), value)}, tmp_path / name / "network.safetensors")
    first, moved, other = (training_fingerprint({}, RECIPE, str(tmp_path / name)) for name in "abc")
    assert first == moved != other
    assert first != training_fingerprint({}, RECIPE, None)
    assert weights_digest(str(tmp_path / "a")) == weights_digest(str(tmp_path / "a" / "network.safetensors"))


def test_settings_are_plain_data():
    assert plain(RECIPE)["scales"] == [800]
