from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch

from controllers import sampler
from controllers.policy import Policy
from controllers.sampler import Sampler
from nas.decisions import Choice
from search_spaces.nasnet import NASNET

SMALL = (Choice("a", "x", 2), Choice("b", "y", 3), Choice("c", "x", 3))


def grown(policy, factor):
    """The same policy with other, larger weights, as after much learning."""
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(factor)
    return policy


@pytest.mark.parametrize("factor", [1.0, 5.0, 100.0])
def test_log_probabilities_agree_with_those_that_the_policy_scores(factor):
    """float32 resolves a sum of 60 log-probabilities of about 2 to 1e-5; weights a hundredfold lose two digits."""
    policy = grown(Policy(NASNET.choices, seed=0), factor)
    rollouts = policy.sample(range(30), seed=1)
    scores, _ = policy.score(torch.tensor([rollout.decisions for rollout in rollouts]))
    for rollout, score in zip(rollouts, scores.sum(dim=0).tolist(), strict=True):
        assert rollout.log_prob == pytest.approx(score, rel=1e-4, abs=3e-4 * max(1.0, factor / 5))


@pytest.mark.parametrize("factor", [1.0, 7.3, 1000.0])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_batches_of_any_size_give_the_same_to_the_last_bit(factor, temperature):
    policy = grown(Policy(NASNET.choices, seed=0), factor)
    together = policy.sample(range(64), seed=1, temperature=temperature)
    for size in (1, 3, 20):
        policy = grown(Policy(NASNET.choices, seed=0), factor)  # the other one keeps what it has drawn
        parts = [
            policy.sample(range(start, min(start + size, 64)), seed=1, temperature=temperature)
            for start in range(0, 64, size)
        ]
        assert [rollout for part in parts for rollout in part] == together


def test_what_is_drawn_is_kept_and_no_more_than_some(monkeypatch):
    drawn, draw = [], Sampler._draw
    monkeypatch.setattr(Sampler, "_draw", lambda self, draws: drawn.append(len(draws)) or draw(self, draws))
    policy = Policy(SMALL, seed=0)
    together = policy.sample(range(12), seed=1)
    assert policy.sample([3, 5, 3, 12, 2], seed=1)[:3] == [together[3], together[5], together[3]]
    assert drawn == [12, 1]
    policy.sample([3], seed=1, temperature=50.0)
    policy.sample([3], seed=1, attempt=1)
    assert drawn == [12, 1, 1, 1]
    monkeypatch.setattr(sampler, "_MAX_KEPT", 14)
    assert policy.sample([3, 20], seed=1)[0] == together[3]
    assert drawn == [12, 1, 1, 1, 2]
    assert len(policy._sampler._drawn) == 2


def test_attempts_drawn_together_are_those_drawn_one_by_one():
    alone, together = (grown(Policy(NASNET.choices, seed=0), 3.0) for _ in range(2))
    heats = {1: 1.2, 2: 1.0, 3: 5.0}
    together.sample([4, 9], seed=1, attempt=1, temperature=1.2, ahead={2: 1.0, 3: 5.0})
    assert len(together._sampler._drawn) == 6
    for attempt, heat in heats.items():
        expected = [alone.sample([trial_id], seed=1, attempt=attempt, temperature=heat)[0] for trial_id in (4, 9)]
        assert together.sample([4, 9], seed=1, attempt=attempt, temperature=heat) == expected
    assert len(together._sampler._drawn) == 6


def test_rollouts_that_part_late_are_those_drawn_alone(monkeypatch):
    """A policy that is nearly sure: hardly a row of the LSTM belongs to one rollout only."""
    rows, part = [], sampler._Lstm.part
    monkeypatch.setattr(sampler._Lstm, "part", lambda self, *given: rows.append(len(self._cell)) or part(self, *given))
    alone, together = (Policy(NASNET.choices, seed=0) for _ in range(2))
    for policy in (alone, together):
        with torch.no_grad():
            policy.heads.bias[list(policy.first)] = 5.0
    rollouts = together.sample(range(61), seed=1)
    assert len({rollout.decisions for rollout in rollouts}) > 20
    assert rows[0] == 4
    assert 4 < rows[10] < 40 < rows[-1]
    assert [alone.sample([number], seed=1)[0] for number in range(61)] == rollouts


def test_rollouts_are_drawn_with_their_probability():
    """Chi-squared over the 18 tuples: 17 degrees of freedom exceed 60 with probability 1e-6; the seed is fixed."""
    policy = grown(Policy(SMALL, seed=0), 4.0)
    every = list(product(range(2), range(3), range(3)))
    scores, _ = policy.score(torch.tensor(every))
    expected = dict(zip(every, (20_000 * scores.sum(dim=0).exp()).tolist(), strict=True))
    assert sum(expected.values()) == pytest.approx(20_000, rel=1e-5)
    assert max(expected.values()) > 1.5 * min(expected.values())  # far from uniform, or the test says little
    counts = Counter(rollout.decisions for rollout in policy.sample(range(20_000), seed=0))
    assert sum((counts[key] - number) ** 2 / number for key, number in expected.items()) < 60


def test_a_high_temperature_draws_evenly_but_reports_the_probability_of_the_policy():
    policy = grown(Policy(SMALL, seed=0), 10.0)
    hot = policy.sample(range(3000), seed=0, temperature=1e6)
    counts = Counter(rollout.decisions for rollout in hot)
    assert len(counts) == 18
    assert min(counts.values()) > 3000 / 18 / 1.5  # 167 expected, 13 standard deviation
    scores, _ = policy.score(torch.tensor([rollout.decisions for rollout in hot[:50]]))
    assert [rollout.log_prob for rollout in hot[:50]] == pytest.approx(scores.sum(dim=0).tolist(), abs=1e-3)


def test_attempts_draw_anew():
    policy = Policy(NASNET.choices, seed=0)
    first, second = (policy.sample(range(5), seed=0, attempt=attempt) for attempt in (0, 1))
    assert not {rollout.decisions for rollout in first} & {rollout.decisions for rollout in second}


def test_a_sure_policy_has_a_log_probability_of_zero_and_no_more():
    policy = Policy((Choice("a", "x", 3),), seed=0)
    with torch.no_grad():
        policy.heads.bias.copy_(torch.tensor([0.0, 5000.0, 0.0]))
    (rollout,) = policy.sample([0], seed=0)
    assert rollout.decisions == (1,)
    assert rollout.log_prob == 0.0


def test_no_rollouts_for_no_trials():
    assert Policy(SMALL, seed=0).sample([], seed=0) == []


def test_sums_are_exact_whatever_their_order():
    """The grids leave every partial sum below 2**53 units: summed in any order, no bit differs."""
    policy = grown(Policy(NASNET.choices, seed=0), 3.0)
    policy.sample([0], seed=0)
    weights = policy._sampler._product.numpy()
    states = np.rint(np.random.default_rng(0).uniform(-2, 2, len(weights)) * 2**20) / 2**20
    orders = [np.arange(len(weights)), np.random.default_rng(1).permutation(len(weights))]
    sums = []
    for order in orders:
        total = np.zeros(weights.shape[1])
        for index in order:
            total = total + states[index] * weights[index]
        sums.append(total)
    assert (sums[0] == sums[1]).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_policy_that_is_not_finite_proposes_nothing(value):
    policy = Policy(SMALL, seed=0)
    with torch.no_grad():
        policy.heads.bias[0] = value
    with pytest.raises(RuntimeError, match="weights of the policy are not finite any more"):
        policy.sample([0], seed=0)
