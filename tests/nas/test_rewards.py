"""Rewards: what a controller is told."""

import pytest
from pydantic import ValidationError

from nas.rewards import REWARDS, Accuracy, CostedAccuracy, Metric, ShiftedAccuracy
from nas.trial import Success


def test_accuracy_is_the_accuracy():
    assert Accuracy()(Success(0, 0.875)) == 0.875


def test_costed_accuracy_is_the_weighted_product():
    reward = CostedAccuracy(target_multiply_adds=100.0, exponent=-0.5)
    assert reward(Success(0, 0.8, num_multiply_adds=100)) == pytest.approx(0.8)
    assert reward(Success(0, 0.8, num_multiply_adds=400)) == pytest.approx(0.4)
    assert reward(Success(0, 0.8, num_multiply_adds=25)) == pytest.approx(1.6)


def test_costed_accuracy_refuses_a_reward_for_cost():
    with pytest.raises(ValidationError, match="less than or equal to 0"):
        CostedAccuracy(target_multiply_adds=100.0, exponent=0.1)


def test_shifted_accuracy_is_the_weighted_mean():
    success = Success(0, 0.9, metrics={"shifted_accuracy": 0.5})
    assert ShiftedAccuracy()(success) == pytest.approx(0.7)
    assert ShiftedAccuracy(clean_weight=1, shifted_weight=3)(success) == pytest.approx(0.6)
    assert ShiftedAccuracy(clean_weight=2, shifted_weight=0)(success) == pytest.approx(0.9)


def test_shifted_accuracy_wants_weights_and_the_metric():
    for weights in ({"clean_weight": 0, "shifted_weight": 0}, {"clean_weight": -1}):
        with pytest.raises(ValidationError):
            ShiftedAccuracy(**weights)
    with pytest.raises(ValueError, match="trial 7 must have the metric shifted_accuracy"):
        ShiftedAccuracy()(Success(7, 0.9))


def test_table_names_every_reward():
    assert set(REWARDS) == {"accuracy", "costed_accuracy", "shifted_accuracy", "metric"}


def test_a_metric_is_what_the_outcome_holds():
    success = Success(7, 0.0, metrics={"naswot": -3.5})
    assert Metric("naswot")(success) == -3.5
    with pytest.raises(ValueError, match="trial 7 must have the metric zen, got naswot"):
        Metric("zen")(success)
