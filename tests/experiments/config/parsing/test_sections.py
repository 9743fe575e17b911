from __future__ import annotations

import pytest

from experiments.config.parsing.sections import dump_settings, validate_section
from experiments.config.search_settings import SearchSettings
from experiments.config.workers import SearchWorkers
from nas.fidelity import TrainRecipe
from nas.rewards import Accuracy, CostedAccuracy
from search_spaces.cell_space import CellSpace


def test_settings_come_back_as_they_were_dumped():
    recipe = TrainRecipe(epochs=3, precision="bfloat16")
    assert validate_section("recipe", dump_settings(recipe), TrainRecipe) == recipe


def test_yaml_writes_small_numbers_as_text():
    assert validate_section("recipe", {"weight_decay": "1e-4"}, TrainRecipe).weight_decay == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("kind", "section", "message"),
    [
        (TrainRecipe, {"epoch": 3}, "unknown key in section x 'epoch'; did you mean epochs?"),
        (TrainRecipe, {"epochs": 0}, "x.epochs: Input should be greater than or equal to 1, got 0"),
        (TrainRecipe, {"epochs": [1]}, r"x.epochs: Input should be a valid integer, got \[1\]"),
        (TrainRecipe, {"learning_rate": float("nan")}, "x.learning_rate: .*got nan"),
        (TrainRecipe, {"precision": "float8"}, "x.precision: .*'bfloat16'.* got 'float8'"),
        (TrainRecipe, {3: 3}, "unknown key in section x '3'"),
        (SearchSettings, {}, "x.num_trials: Field required"),
        (SearchSettings, {"num_trials": 10**30}, "x.num_trials: "),
        (CostedAccuracy, {"exponent": 0.0}, "x.target_multiply_adds: Field required"),
        (Accuracy, {"a": 1}, "this x has no settings, got 'a'"),
    ],
)
def test_bad_settings_give_one_line_with_the_place(kind, section, message):
    with pytest.raises(ValueError, match=message) as caught:
        validate_section("x", section, kind)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "section", "place"),
    [
        (SearchSettings, {"num_trials": True}, "x.num_trials"),
        (TrainRecipe, {"learning_rate": True}, "x.learning_rate"),
        (SearchWorkers, {"resources": {"accelerator": True}}, "x.resources"),
        (CellSpace, {"ops": ["identity"], "appearance_stages": [None, True]}, "x.appearance_stages"),
    ],
)
def test_truth_values_are_no_numbers(kind, section, place):
    with pytest.raises(ValueError, match=f"{place}: true and false are not numbers, got .*True"):
        validate_section("x", section, kind)


def test_truth_values_are_kept_where_they_are_meant():
    assert validate_section("recipe", {"flip": False}, TrainRecipe).flip is False
