"""Random search is uniform; `test_contract` holds the rest."""

import math
from collections import Counter

import pytest

from controllers.random_search import RandomSearch
from nas.decisions import Choice

CHOICES = (Choice("a", "op", 3), Choice("b", "source", 2))


def test_every_option_is_equally_likely():
    rollouts = RandomSearch(CHOICES, seed=0).ask(range(3000))
    counts = Counter(rollout.decisions for rollout in rollouts)
    assert len(counts) == 6
    # 500 expected of each, standard deviation 20.4: 6 of those are exceeded once in 10**8 runs
    assert all(abs(count - 500) < 123 for count in counts.values())


def test_log_probability_is_that_of_a_uniform_draw():
    (rollout,) = RandomSearch(CHOICES, seed=0).ask([7])
    assert rollout.log_prob == pytest.approx(-math.log(6))


def test_rewards_change_nothing():
    told, fresh = RandomSearch(CHOICES, seed=1), RandomSearch(CHOICES, seed=1)
    for rollout in told.ask(range(20)):
        told.tell(rollout, float(sum(rollout.decisions)))
    assert told.ask(range(20, 40)) == fresh.ask(range(20, 40))
