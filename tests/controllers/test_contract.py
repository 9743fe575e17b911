"""What every controller promises, whatever is behind it."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from controllers.fresh import Fresh
from controllers.ppo import PPO, PPOSettings
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import EvolutionSettings, RegularizedEvolution
from controllers.reinforce import Reinforce, ReinforceSettings
from controllers.surrogate import Surrogate, SurrogateSettings
from nas.decisions import Choice, Rollout, check_decisions
from search_spaces.nasbench201 import NASBENCH201
from search_spaces.nasnet import NASNET

MIXED = (
    Choice("a", "source", 2),
    Choice("b", "op", 4),
    Choice("c", "source", 3),
    Choice("d", "only", 1),
    Choice("e", "op", 4),
)
SPACES = {"mixed": MIXED, "one": MIXED[1:2], "sure": MIXED[3:4], "edges": NASBENCH201.choices, "nasnet": NASNET.choices}
BARE = {
    "random": RandomSearch,
    "reinforce": lambda choices, seed: Reinforce(choices, ReinforceSettings(batch_size=4), seed=seed),
    "ppo": lambda choices, seed: PPO(choices, PPOSettings(batch_size=4), seed=seed),
    "evolution": lambda choices, seed: RegularizedEvolution(
        choices, EvolutionSettings(population_size=5, tournament_size=3), seed=seed
    ),
}


@dataclass(frozen=True)
class Plain:
    """A description that is no more than its decisions."""

    decisions: tuple[int, ...]

    @property
    def fingerprint(self):
        return str(self.decisions)

    def to_json(self):
        return list(self.decisions)


@dataclass(frozen=True)
class PlainSpace:
    choices: tuple[Choice, ...]

    def decode(self, decisions):
        check_decisions(decisions, self.choices)
        return Plain(decisions)


def wrapped(wrapper, build):
    return lambda choices, seed: wrapper(build(choices, seed=seed), PlainSpace(tuple(choices)), seed=seed)


QUICK = partial(Surrogate, settings=SurrogateSettings(num_plain=5, num_draws=8))
CONTROLLERS = {
    **BARE,
    **{f"{name}, fresh": wrapped(Fresh, BARE[name]) for name in ("ppo", "evolution")},
    **{f"{name}, surrogate": wrapped(QUICK, BARE[name]) for name in ("ppo", "evolution")},
}


@pytest.fixture(params=CONTROLLERS)
def build(request):
    return CONTROLLERS[request.param]


@pytest.fixture(params=SPACES)
def choices(request):
    return SPACES[request.param]


def reward(rollout):
    return sum(decision == 0 for decision in rollout.decisions) + 0.1 * rollout.decisions[-1]


def tell_some(controller, number, first=0):
    for trial_id in range(first, first + number):
        (rollout,) = controller.ask([trial_id])
        controller.tell(rollout, reward(rollout))


def test_rollouts_are_of_the_space_and_have_a_log_probability(build, choices):
    controller = build(choices, seed=3)
    tell_some(controller, 9)
    for rollout in controller.ask(range(100, 125)):
        check_decisions(rollout.decisions, choices)
        assert all(type(decision) is int for decision in rollout.decisions)
        assert type(rollout.log_prob) is float
        assert -math.inf < rollout.log_prob <= 0


def test_equal_asks_are_answered_alike(build, choices):
    controller = build(choices, seed=3)
    for told in range(3):
        tell_some(controller, 5, first=5 * told)
        pending = controller.ask(range(40, 44))
        together = controller.ask(range(50, 58), pending)
        controller.ask([60, 53, 65])
        assert controller.ask(range(50, 58), pending) == together  # bit-identical
    assert controller.ask([]) == []


def test_asking_changes_nothing(build):
    asked, quiet = build(MIXED, seed=3), build(MIXED, seed=3)
    for trial_id in range(24):
        asked.ask(range(trial_id, trial_id + 7))
        (rollout,) = quiet.ask([trial_id])
        for controller in (asked, quiet):
            controller.tell(rollout, reward(rollout))
    assert asked.ask(range(30, 40)) == quiet.ask(range(30, 40))


def test_the_state_is_a_fold_of_the_tells(build):
    first, second = build(NASBENCH201.choices, seed=3), build(NASBENCH201.choices, seed=3)
    told = []
    for trial_id in range(23):
        (rollout,) = first.ask([trial_id])
        told.append((rollout, reward(rollout)))
        first.tell(*told[-1])
    for rollout, value in told:
        second.tell(Rollout.from_json(rollout.to_json()), value)
    assert first.ask(range(23, 40)) == second.ask(range(23, 40))


def test_seeds_and_trials_draw_differently(build):
    one, other = build(NASNET.choices, seed=1), build(NASNET.choices, seed=2)
    rollouts = [rollout.decisions for rollout in (*one.ask(range(20)), *other.ask(range(20)))]
    assert len(set(rollouts)) == 40  # 60 decisions: two equal ones would be a miracle


@pytest.mark.parametrize("name", BARE)
def test_the_first_rollouts_hold_every_option(name):
    """With 4 options and 200 draws, one that has a chance of 1/8 or more is missed with probability 3e-12."""
    drawn = {rollout.decisions[0] for rollout in BARE[name](MIXED[1:2], seed=0).ask(range(200))}
    assert drawn == {0, 1, 2, 3}


def test_no_global_randomness_is_used(build):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global state is what is tested
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    controller = build(MIXED, seed=3)
    tell_some(controller, 9)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("decisions", "value", "message"),
    [
        ((0, 0, 0, 0), 1.0, "5 decisions"),
        ((0, 0, 0, 1, 0), 1.0, r"choice d has options 0\.\.0, got 1"),
        ((0, -1, 0, 0, 0), 1.0, r"choice b has options 0\.\.3, got -1"),
        ((0, 0, 0, 0, 0), math.nan, "finite"),
        ((0, 0, 0, 0, 0), math.inf, "finite"),
    ],
)
def test_what_is_told_is_checked(build, decisions, value, message):
    with pytest.raises(ValueError, match=message):
        build(MIXED, seed=3).tell(Rollout(decisions, -1.0), value)


def test_rewards_that_are_all_equal_and_very_large_ones_do_no_harm(build):
    controller = build(MIXED, seed=3)
    for value in (0.0, 1e12, -1e12, 93.5, 93.5, 93.5, 93.5, 93.5, 93.5):
        for trial_id in range(8):
            controller.tell(*controller.ask([trial_id]), value)
    for rollout in controller.ask(range(20)):
        assert math.isfinite(rollout.log_prob)
