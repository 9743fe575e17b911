"""Accuracy under shifts, with networks whose answers are known."""

import pytest
import torch
from torch import nn

from nas.data.load import load_data
from nas.fidelity import DataSpec, TrainRecipe
from nas.shifts.measure import ShiftPlan, right_answers, shifted_accuracies
from nas.training.loop import accuracy

RECIPE = TrainRecipe(batch_size=100, device="cpu")


@pytest.fixture(scope="module")
def data():
    return load_data(DataSpec())


class Brightness(nn.Module):
    """Answers 0 for images whose mean is at most that of the training set, which is 0 after normalization, else 1."""

    def forward(self, images):
        mean = images.mean((1, 2, 3))
        return torch.stack([-mean, mean], dim=1)


def test_a_network_that_looks_at_brightness_suffers_from_it_only(data):
    split = data.validation
    plan = ShiftPlan(("add_all", "brightness", "divide_contrast"), severity=4)
    shares = shifted_accuracies(Brightness(), split, data, RECIPE, plan=plan)
    assert list(shares) == ["shifted_accuracy", "accuracy_add_all", "accuracy_brightness", "accuracy_divide_contrast"]
    assert shares["accuracy_add_all"] == (split.labels == 1).mean()  # all bright
    assert shares["accuracy_brightness"] == (split.labels == 0).mean()  # all dark
    assert shares["shifted_accuracy"] == pytest.approx(sum(list(shares.values())[1:]) / 3)


def test_the_plan_decides_severity_and_seed(data):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def measured(**settings):
        plan = ShiftPlan(("noise",), **settings)
        return shifted_accuracies(network, data.validation, data, RECIPE, plan=plan)["accuracy_noise"]

    assert measured(severity=5) == measured(severity=5)
    assert len({measured(severity=5, seed=seed) for seed in range(8)}) > 1


def test_bad_plans_are_refused(data):
    with pytest.raises(ValueError, match="at least one"):
        ShiftPlan(())
    with pytest.raises(ValueError, match="a shift must be one of"):
        ShiftPlan(("rain",))
    with pytest.raises(ValueError, match="shift hue needs images of 3 channels"):
        shifted_accuracies(Brightness(), data.validation, data, RECIPE, plan=ShiftPlan(("hue",)))


def test_right_answers_are_those_that_accuracy_counts(data):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).train()
    answers = right_answers(network, data.validation, mean=data.mean, std=data.std)
    assert answers.shape == data.validation.labels.shape
    assert answers.mean() == accuracy(network, data.validation, data, RECIPE)
    assert network.training
    assert right_answers(Brightness(), data.validation, mean=data.mean, std=data.std).dtype == bool
