"""Regularized evolution: one mutation of a parent from the youngest; the oldest leave."""

import pytest
from pydantic import ValidationError

from controllers.regularized_evolution import EvolutionSettings, RegularizedEvolution
from nas.decisions import Choice, Rollout

CHOICES = tuple(Choice(str(place), "op", 4) for place in range(6))


def filled(rewards, *, tournament_size=None, choices=CHOICES):
    """A full population: rollout i has decision i % 4 everywhere."""
    size = len(rewards)
    evolution = RegularizedEvolution(choices, EvolutionSettings(size, tournament_size or size), seed=0)
    for place, reward in enumerate(rewards):
        evolution.tell(Rollout((place % 4,) * len(choices), -1.0), reward)
    return evolution


def test_child_differs_from_the_best_parent_in_one_decision():
    for rollout in filled([0.1, 0.9, 0.2]).ask(range(200)):
        assert sorted(decision == 1 for decision in rollout.decisions) == [False, *[True] * 5]


def test_every_decision_and_every_other_option_is_reached():
    changes = {
        (place, decision)
        for rollout in filled([0.1, 0.9, 0.2]).ask(range(600))
        for place, decision in enumerate(rollout.decisions)
        if decision != 1
    }
    assert changes == {(place, option) for place in range(6) for option in (0, 2, 3)}


def test_a_choice_without_alternative_is_left_alone():
    choices = (*CHOICES, Choice("fixed", "norm", 1))
    evolution = RegularizedEvolution(choices, EvolutionSettings(1, 1), seed=0)
    evolution.tell(Rollout((1,) * 6 + (0,), -1.0), 0.5)
    assert {rollout.decisions[6] for rollout in evolution.ask(range(100))} == {0}
    alone = RegularizedEvolution(choices[6:], EvolutionSettings(1, 1), seed=0)
    alone.tell(Rollout((0,), 0.0), 0.5)
    assert alone.ask([3]) == [Rollout((0,), 0.0)]


def test_the_oldest_dies_whatever_it_is_worth():
    evolution = filled([0.9, 0.1, 0.2])
    evolution.tell(Rollout((3,) * 6, -1.0), 0.15)
    # rollout 0, the best, has left; rollout 2 is now the best
    for rollout in evolution.ask(range(50)):
        assert rollout.decisions.count(2) == 5


def test_small_tournaments_let_others_be_parents():
    parents = {
        max(set(rollout.decisions), key=rollout.decisions.count)
        for rollout in filled([0.1, 0.9, 0.2], tournament_size=1).ask(range(100))
    }
    assert parents == {0, 1, 2}


def test_until_the_population_is_full_rollouts_are_random():
    evolution = RegularizedEvolution(CHOICES, EvolutionSettings(3, 3), seed=0)
    evolution.tell(Rollout((0,) * 6, -1.0), 0.5)
    different = {rollout.decisions for rollout in evolution.ask(range(50))}
    assert len(different) > 45


def test_a_tournament_is_not_larger_than_the_population():
    with pytest.raises(ValidationError, match="tournament_size must be at most the population_size of 5, got 6"):
        EvolutionSettings(5, 6)
