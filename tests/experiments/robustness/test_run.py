"""Robustness: estimates and intervals against the answers they are made of."""

import json

import numpy as np
import pytest

from experiments.architectures.trained import find_trained, load_test_images
from experiments.comparison.statistics import Interval
from experiments.robustness.run import RobustnessOptions, ShiftGrid, measure_robustness, run_robustness
from nas.shifts.measure import right_answers
from nas.shifts.table import shift_split, shifts_for


@pytest.fixture(scope="module")
def networks(checkpoints):
    return [find_trained(str(path)) for path in checkpoints]


@pytest.fixture(scope="module")
def split(networks):
    return load_test_images(networks, "digits")[0]


@pytest.fixture(scope="module")
def value(networks, split):
    return measure_robustness(networks, split, ShiftGrid(("add_all", "divide_contrast"), (1, 4)))


def answers(network, split):
    checkpoint = network.checkpoint
    return right_answers(checkpoint.network, split, mean=checkpoint.mean, std=checkpoint.std)


def test_estimates_are_shares_of_right_answers(networks, split, value):
    for network, described in zip(networks, value.networks, strict=True):
        clean = answers(network, split).mean()
        cells = {
            (name, severity): answers(network, shift_split(split, name, severity=severity)).mean()
            for name in ("add_all", "divide_contrast")
            for severity in (1, 4)
        }
        assert described.clean.value == pytest.approx(clean)
        for (name, severity), share in cells.items():
            cell = described.shifts[name][str(severity)]
            assert cell.accuracy.value == pytest.approx(share)
            assert cell.drop.value == pytest.approx(clean - share)
        mean = np.mean(list(cells.values()))
        assert described.mean.value == pytest.approx(mean)
        assert described.drop.value == pytest.approx(clean - mean)
        worst = described.worst
        assert worst.value == pytest.approx(min(cells.values()))
        assert cells[worst.shift, worst.severity] == pytest.approx(worst.value)


def test_intervals_are_as_wide_as_those_of_a_share(split, value):
    clean = value.networks[0].clean
    normal = 1.96 * np.sqrt(clean.value * (1 - clean.value) / len(split))
    assert clean.low < clean.value < clean.high
    assert (clean.high - clean.low) / 2 == pytest.approx(normal, rel=0.15)


def test_differences_are_paired_by_image(networks, split, value):
    (difference,) = value.differences
    assert difference.name == networks[1].name
    first, second = (described.drop.value for described in value.networks)
    assert difference.drop.value == pytest.approx(second - first)
    same = measure_robustness([networks[0], networks[0]], split, ShiftGrid(("blur",), (5,))).differences[0]
    for key in ("clean", "mean", "drop"):
        assert getattr(same, key) == Interval(0, 0, 0)


def test_instance_normalization_keeps_its_accuracy_when_contrast_falls(value):
    batch, instance = (network.shifts["divide_contrast"]["4"].drop for network in value.networks)
    assert instance.high < batch.low  # half the contrast; the intervals do not touch


def test_everything_is_written(checkpoints, tmp_path):
    options = RobustnessOptions(data="digits", shifts=("noise", "style"), severities=(3,), most=60)
    value = run_robustness([str(path) for path in checkpoints], tmp_path / "out", options)
    assert json.loads((tmp_path / "out" / "robustness.json").read_text()) == value.to_json()
    assert value.num_images == 60
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "robustness.json",
        "robustness.png",
        "robustness.svg",
    }
    assert list(value.shifts) == ["noise", "style"]
    again = run_robustness([str(path) for path in checkpoints], tmp_path / "again", options)
    assert again == value


def test_without_a_choice_all_shifts_of_grey_images_are_measured(checkpoints, tmp_path):
    options = RobustnessOptions(data="digits", severities=(2,), most=20)
    value = run_robustness([str(checkpoints[0])], tmp_path, options)
    assert tuple(value.shifts) == shifts_for(1)
    assert value.differences == ()


def test_bad_shifts_are_refused_before_anything_is_written(checkpoints, tmp_path):
    for name, message in (("rain", "a shift must be one of"), ("hue", "needs images of 3 channels")):
        with pytest.raises(ValueError, match=message):
            run_robustness([str(checkpoints[0])], tmp_path / "out", RobustnessOptions(data="digits", shifts=(name,)))
    assert not (tmp_path / "out").exists()
