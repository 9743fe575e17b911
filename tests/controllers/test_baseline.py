"""The moving average of rewards, on numbers worked out by hand."""

import pytest

from controllers.baseline import Baseline


def filled(decay, rewards):
    baseline = Baseline(decay)
    for reward in rewards:
        baseline.add(reward)
    return baseline


def test_mean_is_weighted_by_age_and_not_pulled_towards_zero():
    assert filled(0.5, [8.0])._mean == 8.0
    # weights 1/4, 1/2, 1 of the rewards 8, 4, 2
    assert filled(0.5, [8.0, 4.0, 2.0])._mean == pytest.approx((8 / 4 + 4 / 2 + 2) / 1.75)


def test_advantage_counts_standard_deviations():
    # equal weights: mean 3, variance ((1-3)**2 + (5-3)**2) / 2 = 4
    baseline = filled(0.999999999, [1.0, 5.0])
    assert baseline.advantage(7.0) == pytest.approx(2.0, rel=1e-6)
    assert baseline.advantage(3.0) == pytest.approx(0.0, abs=1e-6)


def test_advantage_does_not_change_with_the_scale_of_rewards():
    rewards = [0.1, 0.5, 0.3, 0.9]
    small, large = filled(0.9, rewards), filled(0.9, [1000 * reward - 7 for reward in rewards])
    assert small.advantage(0.7) == pytest.approx(large.advantage(693.0))


@pytest.mark.parametrize("rewards", [[], [5.0], [1e6, 1e6, 1e6]])
def test_without_spread_there_is_no_advantage(rewards):
    assert filled(0.95, rewards).advantage(5.0) == 0.0
