"""Trained networks by name, and the images they are tested on."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from experiments.architectures.trained import find_trained, load_test_images
from nas.data.load import load_data
from nas.fidelity import DataSpec
from nas.models.checkpoint import load_checkpoint, save_checkpoint
from nas.trial import Success


@pytest.fixture
def run(write_run, checkpoints):
    """A run on the digits whose best trial has weights and whose second best has none."""
    folder = write_run("run", "ppo", 0, outcomes=[Success(0, 0.9), Success(1, 0.8)], data__root=None)
    (folder / "weights").mkdir()
    shutil.copy(checkpoints[0], folder / "weights" / "trial-0.safetensors")
    with (folder / "config.yaml").open("a") as file:
        file.write("shifts: {reward: [blur], test: [noise, add_all]}\n")
    return folder


def write_folder(path, class_names, num_images=12):
    for part in ("train", "test"):
        for name in class_names:
            (path / part / name).mkdir(parents=True)
            for number in range(num_images):
                pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(path / part / name / f"{number}.png")


def test_a_file_of_weights(checkpoints):
    found = find_trained(str(checkpoints[0]))
    assert found.checkpoint.accuracy == load_checkpoint(checkpoints[0]).accuracy
    assert found.data is None
    assert found.shifts.plan is None


def test_a_run_brings_its_images_and_its_shifts(run):
    found = find_trained(str(run))
    assert found.data.name == "digits"
    assert found.shifts.test == ("noise", "add_all")
    assert found.shifts.reward == ("blur",)
    assert len(load_test_images([found], None)[0]) == 360


def test_a_trial_without_weights_and_what_is_not_trained_are_refused(run):
    for name in (f"{run}@2", "nasnet-a"):
        with pytest.raises(ValueError, match="has no trained weights; a run keeps those of its best trials"):
            find_trained(name)


def test_images_can_be_named_and_limited(checkpoints):
    network = find_trained(str(checkpoints[0]))
    complete, few = (load_test_images([network], "digits", most=most)[0] for most in (None, 50))
    assert (len(complete), len(few)) == (360, 50)
    assert np.array_equal(few.images, load_test_images([network], "digits", most=50)[0].images)
    assert len(load_test_images([network], "digits", most=9999)[0]) == 360
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        load_test_images([network], "digits", most=1)


def test_a_single_file_does_not_say_which_images_it_is_for(checkpoints):
    with pytest.raises(ValueError, match="the images must be named with --data"):
        load_test_images([find_trained(str(checkpoints[0]))], None)


def test_images_must_fit_the_network(checkpoints, tmp_path):
    network = find_trained(str(checkpoints[0]))
    write_folder(tmp_path / "other", ["cat", "dog"])
    with pytest.raises(ValueError, match=r"classes of the images must be those of .*0, 1, .*got cat, dog"):
        load_test_images([network], str(tmp_path / "other"))
    write_folder(tmp_path / "digits", [str(digit) for digit in range(10)])
    with pytest.raises(ValueError, match="images must have 1 channels"):
        load_test_images([network], str(tmp_path / "digits"))


def test_networks_side_by_side_must_be_for_the_same_images(checkpoints, tmp_path):
    first = find_trained(str(checkpoints[0]))
    names = replace(load_data(DataSpec()), class_names=tuple("abcdefghij"))
    save_checkpoint(tmp_path / "letters.safetensors", first.checkpoint.network, data=names, accuracy=0.5)
    with pytest.raises(ValueError, match="must have the same classes"):
        load_test_images([first, find_trained(str(tmp_path / "letters.safetensors"))], "digits")
