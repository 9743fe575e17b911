"""The contracts: small, explained, kept by what implements them, and enough for the loop that they show."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest

from controllers.ppo import PPO
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import RegularizedEvolution
from controllers.reinforce import Reinforce
from nas import protocols
from nas.decisions import Rollout
from nas.fidelity import Fidelity
from nas.protocols import Controller, Evaluate, Pool, SearchSpace
from nas.trial import Outcome, Success, Trial
from search_spaces.cell_space import CellSpace
from search_spaces.tiny import TINY
from workers.pools.caching_pool import CachingPool
from workers.pools.ray_pool import RayPool
from workers.pools.serial_pool import SerialPool

PROTOCOLS = (SearchSpace, Controller, Pool)
IMPLEMENTATIONS = [
    (SearchSpace, CellSpace),
    (Controller, RandomSearch),
    (Controller, Reinforce),
    (Controller, PPO),
    (Controller, RegularizedEvolution),
    (Pool, SerialPool),
    (Pool, RayPool),
    (Pool, CachingPool),
]


def members(protocol: type) -> dict[str, object]:
    special = {"__enter__", "__exit__"}
    return {name: value for name, value in vars(protocol).items() if not name.startswith("_") or name in special}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_contracts_are_small_and_explained(protocol: type) -> None:
    """A contract that grows is one that few can keep."""
    assert 2 <= len([name for name in members(protocol) if not name.startswith("_")]) <= 3
    assert inspect.getdoc(protocol)
    assert all(inspect.getdoc(value) for value in members(protocol).values())


@pytest.mark.parametrize(("protocol", "implementation"), IMPLEMENTATIONS)
def test_what_implements_a_contract_has_its_members(protocol: type, implementation: type) -> None:
    for name, wanted in members(protocol).items():
        found = inspect.getattr_static(implementation, name)
        assert inspect.isfunction(found) == inspect.isfunction(wanted)
        if inspect.isfunction(wanted) and inspect.isfunction(found):
            assert list(inspect.signature(found).parameters) == list(inspect.signature(wanted).parameters)


class FirstOption:
    """Proposes the first option of everything."""

    def __init__(self, num_choices: int) -> None:
        self.rewards: list[float] = []
        self.num_choices = num_choices

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        return [Rollout((0,) * self.num_choices, 0.0) for _ in trial_ids]

    def tell(self, rollout: Rollout, reward: float) -> None:
        self.rewards.append(reward)


class LastFirst:
    """Measures the trial that came last, when asked for an outcome."""

    def __init__(self, evaluate: Evaluate) -> None:
        self.evaluate = evaluate
        self.trials: list[Trial] = []
        self.capacity = 2

    def submit(self, trial: Trial) -> None:
        self.trials.append(trial)

    def next_outcome(self) -> Outcome:
        return self.evaluate(self.trials.pop())

    def __enter__(self) -> LastFirst:
        return self

    def __exit__(self, *exception: object) -> None:
        self.trials.clear()


def test_the_loop_of_the_docstring_runs_with_the_least_that_keeps_the_contracts() -> None:
    space: SearchSpace = TINY
    controller = FirstOption(len(space.choices))
    finished = []
    with LastFirst(lambda trial: Success(trial.id, 0.5)) as pool:
        trials: dict[int, Trial] = {}
        for first in (0, 2):
            for trial_id, rollout in zip((first, first + 1), controller.ask([first, first + 1]), strict=True):
                trials[trial_id] = Trial(trial_id, rollout, space.decode(rollout.decisions), Fidelity(), seed=0)
                pool.submit(trials[trial_id])
            while pool.trials:
                outcome = pool.next_outcome()
                assert isinstance(outcome, Success)
                controller.tell(trials[outcome.trial_id].rollout, outcome.accuracy)
                finished.append(outcome.trial_id)
    assert finished == [1, 0, 3, 2]
    assert controller.rewards == [0.5] * 4


def test_the_docstring_shows_the_loop() -> None:
    loop = inspect.getdoc(protocols) or ""
    for call in ("controller.ask(", "space.decode(", "pool.submit(", "pool.next_outcome()", "controller.tell("):
        assert call in loop
