from __future__ import annotations

import pytest

from experiments.config.dense_config import DetectionConfig, SegmentationConfig
from experiments.config.documents import config_names
from experiments.config.kinds import DETECTION, SEGMENTATION, TRAINING
from experiments.config.lengths import EPOCHS, ITERATIONS, fit_lengths
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.training_config import TrainingConfig


def resolved(kind, source, *settings):
    return resolve(kind, ConfigRequest(source, settings=settings))["recipe"]


def test_a_warm_up_longer_than_the_training_is_scaled_with_it():
    assert resolved(TRAINING, "cifar10_small", "recipe.epochs=1")["warmup_epochs"] == 1 / 8  # 1 of 8 epochs


def test_iterations_scale_warm_up_and_cuts():
    recipe = resolved(DETECTION, "coco_small", "recipe.iterations=6")  # 400, cuts 100 and 30 before the end, warm-up 20
    assert (recipe["warmup_iterations"], recipe["cuts"]) == (0, [2])
    recipe = resolved(DETECTION, "coco_small", "recipe.iterations=80")  # the warm-up fits
    assert (recipe["warmup_iterations"], recipe["cuts"]) == (20, [20, 6])


def test_what_fits_stays_as_it_is():
    assert resolved(TRAINING, "cifar10_small", "recipe.epochs=4")["warmup_epochs"] == 1
    recipe = resolved(DETECTION, "coco_small", "recipe.iterations=200")
    assert (recipe["warmup_iterations"], recipe["cuts"]) == (20, [100, 30])
    assert resolved(TRAINING, "cifar10_small", "recipe.epochs=80")["warmup_epochs"] == 1


def test_what_is_given_with_the_length_is_not_changed():
    assert resolved(TRAINING, "cifar10_small", "recipe.epochs=1", "recipe.warmup_epochs=3")["warmup_epochs"] == 3
    assert resolved(DETECTION, "coco_small", "recipe.iterations=6", "recipe.cuts=[9]")["cuts"] == [9]


def test_the_defaults_fit_the_length_of_a_file(tmp_path):
    (tmp_path / "short.yaml").write_text("detection: {}\nrecipe: {iterations: 900}\n")
    recipe = resolved(DETECTION, str(tmp_path / "short.yaml"))
    assert recipe["cuts"] == [600, 200]  # 60,000 and 20,000 of 90,000
    (tmp_path / "own.yaml").write_text("detection: {}\nrecipe: {iterations: 900, cuts: [1000]}\n")
    assert resolved(DETECTION, str(tmp_path / "own.yaml"))["cuts"] == [1000]  # and is refused


@pytest.mark.parametrize("value", ["many", True, None, -3, [1]])
def test_lengths_of_a_wrong_kind_are_left_to_the_validation(value):
    recipe = {"epochs": value, "warmup_epochs": 1}
    fit_lengths(recipe, {"epochs": 8}, (), EPOCHS)
    assert recipe == {"epochs": value, "warmup_epochs": 1}


def test_cuts_of_another_schedule_do_not_matter():
    recipe = {"iterations": 6, "schedule": "polynomial", "warmup_iterations": 0}
    fit_lengths(recipe, {}, (), ITERATIONS)
    assert "cuts" not in recipe


@pytest.mark.parametrize(
    ("kind", "config", "setting"),
    [
        (TRAINING, TrainingConfig, "recipe.epochs=1"),
        (DETECTION, DetectionConfig, "recipe.iterations=2"),
        (SEGMENTATION, SegmentationConfig, "recipe.iterations=2"),
    ],
    ids=["train", "detect", "segment"],
)
def test_every_configuration_can_be_shortened(kind, config, setting):
    for name in config_names(kind):
        config.parse(resolve(kind, ConfigRequest(name, settings=(setting,))), source=name)
