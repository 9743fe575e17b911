import math
from collections import Counter
from itertools import product

import pytest
import torch

from controllers.policy import INITIAL_RANGE, NUM_UNITS, Policy
from nas.decisions import Choice, Rollout
from search_spaces.nasnet import NASNET

CHOICES = (Choice("a", "x", 2), Choice("b", "y", 3), Choice("c", "x", 4), Choice("d", "z", 1))
SMALL = (Choice("a", "x", 2), Choice("b", "y", 3), Choice("c", "x", 3))


def grown(choices, factor):
    """A policy with larger weights, as after much learning."""
    policy = Policy(choices, seed=0)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(factor)
    return policy


def seeds(number):
    return [(0, trial_id) for trial_id in range(number)]


def test_it_is_one_layer_of_100_units_with_tables_shared_by_kind():
    policy = Policy(NASNET.choices, seed=0)
    assert (policy.lstm.num_layers, policy.lstm.hidden_size, NUM_UNITS) == (1, 100, 100)
    kinds = {}
    for choice in NASNET.choices:
        kinds[choice.kind] = max(kinds.get(choice.kind, 0), choice.num_options)
    assert policy.heads.out_features == sum(kinds.values())
    assert policy.decision.num_embeddings == sum(kinds.values()) + 1


def test_initial_weights_are_uniform_within_a_tenth_and_follow_from_the_seed():
    weights = torch.cat([weight.flatten() for weight in Policy(CHOICES, seed=3).parameters()])
    assert INITIAL_RANGE == 0.1
    assert weights.abs().max() <= 0.1
    assert weights.std().item() == pytest.approx(0.2 / math.sqrt(12), rel=0.02)  # of 82,000 numbers: known to 0.2 %
    again, other = (torch.cat([w.flatten() for w in Policy(CHOICES, seed=seed).parameters()]) for seed in (3, 4))
    assert torch.equal(weights, again)
    assert not torch.equal(weights, other)


def test_options_that_a_choice_does_not_have_have_no_probability():
    """The probabilities of all complete rollouts add up to 1."""
    policy = Policy(CHOICES, seed=0)
    every = torch.cartesian_prod(*(torch.arange(choice.num_options) for choice in CHOICES))
    scores, entropies = policy.score(every)
    assert scores.sum(dim=0).exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert scores[3].tolist() == [0.0] * len(every)  # one option is no decision
    assert entropies[3].tolist() == [0.0] * len(every)
    for step, choice in enumerate(CHOICES[:3]):
        # Initial weights are small, so options are nearly even: the entropy is that of even ones, less a few per cent.
        assert entropies[step].mean().item() == pytest.approx(math.log(choice.num_options), rel=0.05)


def test_scores_depend_on_the_decisions_before_and_on_no_later_one():
    policy = Policy(CHOICES, seed=0)
    scores, _ = policy.score(torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 3, 0]]))
    assert scores[1, 0] != scores[1, 1]
    assert torch.equal(scores[:2, 0], scores[:2, 2])


def test_without_the_embedding_of_choices_there_is_none():
    with_it, without = Policy(CHOICES, seed=0), Policy(CHOICES, seed=0, choice_embedding=False)
    assert not without.choice.weight.any()
    decisions = torch.tensor([[0, 1, 2, 0]])
    assert not torch.equal(with_it.score(decisions)[0], without.score(decisions)[0])
    optimizer = torch.optim.Adam(without.parameters(), lr=0.1)
    without.ascend(optimizer, without.score(decisions)[0].sum(), gradient_clip=1.0)
    assert not without.choice.weight.any()


def test_ascending_raises_what_is_rewarded_and_changes_what_is_drawn():
    policy = Policy(CHOICES, seed=0)
    decisions = torch.tensor([[1, 2, 3, 0]])
    before = policy.sample(seeds(20))
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.02)
    for _ in range(30):
        policy.ascend(optimizer, policy.score(decisions)[0].sum(), gradient_clip=1.0)
    assert policy.score(decisions)[0].sum().exp().item() > 0.9
    after = policy.sample(seeds(20))
    assert sum(rollout.decisions == (1, 2, 3, 0) for rollout in before) <= 5  # 1 in 24 expected of 20
    assert sum(rollout.decisions == (1, 2, 3, 0) for rollout in after) >= 15  # 9 in 10 expected


def test_gradients_are_clipped():
    policy = Policy(CHOICES, seed=0)
    optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
    before = [weight.detach().clone() for weight in policy.parameters()]
    policy.ascend(optimizer, 1e6 * policy.score(torch.tensor([[1, 2, 3, 0]]))[0].sum(), gradient_clip=0.5)
    moved = sum((weight - old).pow(2).sum() for weight, old in zip(policy.parameters(), before, strict=True))
    assert moved.sqrt().item() == pytest.approx(0.5, rel=1e-3)


def test_a_policy_needs_a_choice():
    with pytest.raises(ValueError, match="at least 1 choice"):
        Policy((), seed=0)


def test_what_is_told_is_checked():
    policy = Policy(CHOICES, seed=0)
    policy.check(Rollout((1, 2, 3, 0), -1.0), 0.5)
    with pytest.raises(ValueError, match="finite number, got nan"):
        policy.check(Rollout((1, 2, 3, 0), -1.0), math.nan)


@pytest.mark.parametrize("factor", [1.0, 5.0, 100.0])
def test_log_probabilities_of_draws_agree_with_scores(factor):
    """float32 resolves a sum of 60 log-probabilities of about 2 to 1e-5; weights 100 times larger lose two digits."""
    policy = grown(NASNET.choices, factor)
    rollouts = policy.sample(seeds(30))
    scores, _ = policy.score(torch.tensor([rollout.decisions for rollout in rollouts]))
    for rollout, score in zip(rollouts, scores.sum(dim=0).tolist(), strict=True):
        assert rollout.log_prob == pytest.approx(score, rel=1e-4, abs=3e-4 * max(1.0, factor / 5))


def test_rows_of_a_batch_do_not_influence_one_another():
    policy = grown(NASNET.choices, 3.0)
    batch = policy.sample(seeds(10))
    other = policy.sample([*seeds(9), (5, 5)])
    assert batch[:9] == other[:9]
    assert batch[9] != other[9]
    for seed, row in zip(seeds(10), batch, strict=True):
        (alone,) = policy.sample([seed])
        assert alone.decisions == row.decisions
        assert alone.log_prob == pytest.approx(row.log_prob, rel=1e-5)


def test_choices_share_softmaxes_by_kind_or_have_their_own():
    shared, own = (Policy(SMALL, seed=0, shared=shared) for shared in (True, False))
    rows = [{row for each in policy.options for row in range(each.start, each.stop)} for policy in (shared, own)]
    assert len(rows[1]) == sum(choice.num_options for choice in SMALL) > len(rows[0])
    for policy in (shared, own):
        assert policy.heads.out_features == policy.decision.num_embeddings - 1


def test_rollouts_are_drawn_with_their_probability():
    """Chi-squared over the 18 tuples: 17 degrees of freedom exceed 60 with probability 1e-6; the seeds are fixed."""
    policy = grown(SMALL, 4.0)
    every = list(product(range(2), range(3), range(3)))
    scores, _ = policy.score(torch.tensor(every))
    expected = dict(zip(every, (20_000 * scores.sum(dim=0).exp()).tolist(), strict=True))
    assert sum(expected.values()) == pytest.approx(20_000, rel=1e-5)
    assert max(expected.values()) > 1.5 * min(expected.values())  # far from uniform, or the test says little
    counts = Counter(rollout.decisions for rollout in policy.sample(seeds(20_000)))
    assert sum((counts[key] - number) ** 2 / number for key, number in expected.items()) < 60


def test_a_deterministic_policy_has_a_log_probability_of_exactly_zero():
    policy = Policy((Choice("a", "x", 3),), seed=0)
    with torch.no_grad():
        policy.heads.bias.copy_(torch.tensor([0.0, 5000.0, 0.0]))
    assert policy.sample([(0, 0)]) == [Rollout((1,), 0.0)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_policy_that_is_not_finite_proposes_nothing(value):
    policy = Policy(SMALL, seed=0)
    with torch.no_grad():
        policy.heads.bias[0] = value
    with pytest.raises(RuntimeError, match="weights of the policy are no longer finite"):
        policy.sample([(0, 0)])
