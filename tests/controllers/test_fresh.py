"""Never proposing twice: what counts as equal, what replaces a repeat, and what the gradient is then."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from controllers.fresh import Fresh, FreshSettings
from controllers.ppo import PPO
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import RegularizedEvolution
from nas.decisions import Choice, Rollout


@dataclass(frozen=True)
class Sorted:
    """A description for which the order of decisions does not matter."""

    decisions: tuple[int, ...]

    @property
    def fingerprint(self):
        return str(sorted(self.decisions))

    def to_json(self):
        return list(self.decisions)


@dataclass(frozen=True)
class Space:
    num_choices: int
    num_options: int

    @property
    def choices(self):
        return tuple(Choice(str(place), "op", self.num_options) for place in range(self.num_choices))

    def decode(self, decisions):
        return Sorted(decisions)


class Stubborn:
    """Proposes the same rollout for ever."""

    def ask(self, trial_ids, pending=()):
        return [Rollout((0, 0, 0), -0.1) for _ in trial_ids]

    def tell(self, rollout, reward):
        pass


def fingerprints(rollouts):
    return [Sorted(rollout.decisions).fingerprint for rollout in rollouts]


@pytest.mark.parametrize("build", [RandomSearch, RegularizedEvolution, PPO])
def test_no_architecture_is_proposed_twice_whether_told_or_in_flight(build):
    space = Space(3, 5)  # 35 multisets of three in five
    fresh = Fresh(build(space.choices, seed=0), space, seed=0)
    proposed, in_flight = [], []
    for trial_id in range(30):
        (rollout,) = fresh.ask([trial_id], in_flight)
        proposed.append(rollout)
        in_flight.append(rollout)
        if len(in_flight) > 5:
            told = in_flight.pop(0)
            fresh.tell(told, float(sum(told.decisions)))
    assert len(set(fingerprints(proposed))) == 30


def test_proposals_of_one_call_differ():
    fresh = Fresh(Stubborn(), Space(3, 5), seed=0)
    assert len(set(fingerprints(fresh.ask(range(35))))) == 35


def test_a_repeat_is_replaced_by_the_nearest_new_architecture():
    fresh = Fresh(Stubborn(), Space(3, 5), seed=0)
    first, *others = fresh.ask(range(5))
    assert (first.decisions, first.weight) == ((0, 0, 0), 1.0)
    assert [sum(d != 0 for d in rollout.decisions) for rollout in others] == [1] * 4  # there are four such multisets
    assert {rollout.weight for rollout in others} == {0.0}


def test_a_space_without_new_architectures_is_repeated_and_it_is_said_once(caplog):
    space = Space(2, 2)
    fresh = Fresh(RandomSearch(space.choices, seed=0), space, seed=0)
    for trial_id in range(10):
        (rollout,) = fresh.ask([trial_id])
        fresh.tell(rollout, 1.0)
    assert len(set(fingerprints(fresh.ask(range(20))))) == 3
    assert [record.message for record in caplog.records] == [
        "no new architecture is left or was found in the search space: some are repeated"
    ]


def test_what_is_in_flight_is_not_proposed():
    fresh = Fresh(Stubborn(), Space(3, 2), FreshSettings(num_draws=0), seed=0)
    pending = [Rollout((0, 0, 0), -0.7), Rollout((0, 1, 0), -0.7)]
    assert fingerprints(fresh.ask([2], pending)) == ["[0, 1, 1]"]
    assert fingerprints(fresh.ask([2], pending[:1])) == ["[0, 0, 1]"]


def policy_gradient(controller, rollouts, advantages):
    """Gradient of PPO's objective with respect to the logits, for rollouts of the present policy."""
    policy = controller._policy
    policy.zero_grad()
    log_probs = policy.score(torch.tensor([rollout.decisions for rollout in rollouts]))[0].sum(dim=0)
    weighted = torch.tensor(
        [rollout.weight * advantage for rollout, advantage in zip(rollouts, advantages, strict=True)]
    )
    controller._surrogate(log_probs - log_probs.detach(), weighted).backward()
    return policy.heads.bias.grad.numpy()


PROBABILITIES = np.array([0.4, 0.3, 0.2, 0.1])
ADVANTAGES = np.array([1.0, -0.5, 0.5, -1.0])


def four_options():
    """PPO on one choice of four options with the probabilities above."""
    space = Space(1, 4)
    controller = PPO(space.choices, seed=0)
    with torch.no_grad():
        for weight in controller._policy.parameters():
            weight.zero_()
        controller._policy.heads.bias.copy_(torch.tensor(np.log(PROBABILITIES)))
    return space, controller


def exact(weights):
    """Gradient of sum p(a) A(a) weights(a) with respect to the logits."""
    terms = PROBABILITIES * ADVANTAGES * weights
    return terms - PROBABILITIES * terms.sum()


def test_weights_give_the_policy_gradient_whatever_proposed():
    """Batches of 20 that hold each option as often as a heated, rejecting proposal would propose it."""
    _, controller = four_options()
    proposed = np.array([0.05, 0.3, 0.35, 0.3])
    chosen = np.repeat(np.arange(4), np.round(20 * proposed).astype(int))
    weights = PROBABILITIES / proposed
    rollouts = [Rollout((int(each),), -1.0, float(weights[each])) for each in chosen]
    advantages = ADVANTAGES[chosen]
    assert policy_gradient(controller, rollouts, advantages) == pytest.approx(exact(np.ones(4)), abs=1e-6)
    own = [Rollout(rollout.decisions, -1.0) for rollout in rollouts]
    assert np.abs(policy_gradient(controller, own, advantages) - exact(np.ones(4))).max() > 0.1


def test_with_redraws_the_expected_gradient_is_that_of_new_architectures():
    """1,000 draws: the standard error of a component is at most 0.5 / sqrt(1,000) = 0.016; 0.07 is four of them."""
    space, controller = four_options()
    fresh = Fresh(controller, space, FreshSettings(num_draws=4), seed=0)
    fresh.tell(Rollout((0,), -0.9), 1.0)
    taken_alone = [fresh.ask([trial_id])[0] for trial_id in range(1000)]
    counts = Counter(rollout.decisions[0] for rollout in taken_alone)
    assert counts[0] == 0
    advantages = [ADVANTAGES[rollout.decisions[0]] for rollout in taken_alone]
    found = policy_gradient(controller, taken_alone, advantages)
    assert found == pytest.approx(exact(np.array([0.0, 1.0, 1.0, 1.0])), abs=0.07)
