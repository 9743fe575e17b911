"""Judging rewards by their rank, on numbers worked out by hand."""

import math
import statistics

import pytest

from controllers.ranking import Ranking


def filled(rewards, *, window=100, greed=0.0):
    ranking = Ranking(window, greed)
    for reward in rewards:
        ranking.add(reward)
    return ranking


def test_without_greed_advantages_grow_evenly_with_rank():
    ranking = filled([3.0, 1.0, 2.0, 4.0])
    # each beats half of its equals too: shares 1/8, 3/8, 5/8, 7/8
    expected = [math.sqrt(12) * (share - 0.5) for share in (0.125, 0.375, 0.625, 0.875)]
    assert [ranking.advantage(reward) for reward in (1.0, 2.0, 3.0, 4.0)] == pytest.approx(expected)


@pytest.mark.parametrize("greed", [0.0, 2.0, 6.0])
def test_advantages_have_mean_0_and_deviation_1(greed):
    ranking = filled(range(1000), window=1000, greed=greed)
    advantages = [ranking.advantage(reward) for reward in range(1000)]
    assert statistics.mean(advantages) == pytest.approx(0, abs=1e-3)
    assert statistics.pstdev(advantages) == pytest.approx(1, rel=1e-3)


def test_greed_gives_the_best_more_weight():
    even, greedy = (filled(range(100), greed=greed) for greed in (0.0, 6.0))
    # shares from 0.99 to 1: ((1 - exp(-0.06)) / 0.06 - 0.1663) / 0.2360 with greed, sqrt(12) * 0.495 without
    assert greedy.advantage(99) == pytest.approx(3.408, abs=2e-3)
    assert even.advantage(99) == pytest.approx(1.7147, abs=1e-3)
    assert greedy.advantage(0) > even.advantage(0)


def test_only_the_last_rewards_count():
    ranking = filled([100.0, 100.0, 1.0, 2.0, 3.0], window=3)
    assert ranking.advantage(3.0) == filled([1.0, 2.0, 3.0]).advantage(3.0)


def test_scale_and_offset_do_not_matter():
    rewards = [0.3, 0.9, 0.5, 0.5]
    small, large = filled(rewards, greed=6.0), filled([100 * reward - 7 for reward in rewards], greed=6.0)
    assert small.advantage(0.5) == large.advantage(43.0)


@pytest.mark.parametrize("greed", [0.0, 6.0])
def test_before_the_first_reward_there_is_no_advantage(greed):
    assert filled([], greed=greed).advantage(1.0) == 0.0


@pytest.mark.parametrize("greed", [0.0, 6.0])
def test_equal_rewards_have_no_advantage_over_one_another(greed):
    assert filled([5.0] * 10, greed=greed).advantage(5.0) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("greed", [0.0, 0.5, 6.0, 100.0])
@pytest.mark.parametrize("num_good", [1, 5, 9])
def test_the_better_of_two_values_is_never_judged_badly(greed, num_good):
    rewards = [1.0] * num_good + [0.0] * (10 - num_good)
    ranking = filled(rewards, greed=greed)
    assert ranking.advantage(1.0) > 0 > ranking.advantage(0.0)
    assert statistics.mean(map(ranking.advantage, rewards)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("greed", [1e-300, 1e-9, 9.9e-5, 1.1e-4, 1e-3])
def test_hardly_any_greed_is_hardly_different_from_none(greed):
    rewards = [float(number) for number in range(10)]
    even, slight = filled(rewards, greed=0.0), filled(rewards, greed=greed)
    assert [slight.advantage(reward) for reward in rewards] == pytest.approx(
        [even.advantage(reward) for reward in rewards], abs=2 * greed + 1e-6
    )


def test_ties_share_the_weight_of_their_places():
    greed = 6.0
    tied, apart = filled([1.0, 2.0, 2.0, 3.0], greed=greed), filled([1.0, 2.0, 2.5, 3.0], greed=greed)
    assert tied.advantage(2.0) == pytest.approx((apart.advantage(2.0) + apart.advantage(2.5)) / 2)
    assert tied.advantage(3.0) == pytest.approx(apart.advantage(3.0))


def test_a_reward_that_is_not_among_the_last_ones_stands_between_two_of_them():
    ranking = filled([1.0, 2.0, 3.0], greed=6.0)
    assert ranking.advantage(2.0) < ranking.advantage(2.5) < ranking.advantage(3.0) < ranking.advantage(99.0)
