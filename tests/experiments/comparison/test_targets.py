"""Trials to a target: censoring, Kaplan-Meier shares and the log-rank test, against values worked by hand."""

import numpy as np
import pytest
from scipy.stats import norm

from experiments.comparison.curves import Run, Strategy
from experiments.comparison.targets import reach_targets

BUDGET = {"trials": 10.0, "worker_seconds": 20.0}


def run(name, place, *, length=10, **columns):
    """A run that has accuracy 0.9 from a trial on, counted from 1, and 0.5 before; never if the place is None."""
    accuracy = np.full(length, 0.5)
    if place is not None:
        accuracy[place - 1] = 0.9
    return Run(name, accuracy, np.full(length, 2.0), **columns)


def strategy(name, *places):
    return Strategy(name, tuple(run(f"{name} {index}", place) for index, place in enumerate(places)))


def test_runs_that_do_not_reach_the_target_are_censored_at_the_budget():
    targets = reach_targets([strategy("a", 2, 4, None, 8)], BUDGET, seed=0)
    assert (targets.accuracy, targets.best_known) == (0.9, True)
    trials, seconds = targets.strategies
    assert (trials.num_reached, trials.num_runs) == (3, 4)
    assert trials.mean.value == (2 + 4 + 10 + 8) / 4
    assert trials.median == 4
    assert list(zip(trials.curve.points, trials.curve.share, strict=True))[1:4] == [(2, 0.25), (4, 0.5), (8, 0.75)]
    assert (seconds.axis, seconds.median) == ("worker_seconds", 8)
    assert targets.tests == ()


def test_a_run_that_reaches_it_after_the_budget_of_all_is_censored():
    late = Strategy("late", (run("late", 12, length=15),))
    (summary,) = reach_targets([late], {"trials": 10.0}, seed=0).strategies
    assert (summary.num_reached, summary.mean.value, summary.median) == (0, 10, None)


def test_log_rank_worked_by_hand():
    """Four against four, all earlier: observed minus expected events of the first, over its standard deviation."""
    targets = reach_targets([strategy("fast", 1, 2, 3, 4), strategy("slow", 7, 8, 9, None)], BUDGET, seed=0)
    at_risk = [(4, 8), (3, 7), (2, 6), (1, 5)]  # of the fast, of all, at the events of the fast
    expected = sum(own / total for own, total in at_risk)
    variance = sum(own * (total - own) / total**2 for own, total in at_risk)
    statistic = (4 - expected) / variance**0.5
    for test in targets.tests:
        assert test.p == pytest.approx(2 * norm.sf(statistic), rel=1e-6)
    assert [test.p_holm for test in targets.tests] == pytest.approx([2 * test.p for test in targets.tests])


def test_strategies_that_cannot_be_told_apart_have_a_p_value_of_1():
    targets = reach_targets([strategy("a", None, None), strategy("b", None, None)], BUDGET, 0.99, seed=0)
    assert (targets.best_known, [test.p for test in targets.tests]) == (False, [1.0, 1.0])


def test_the_incumbent_of_the_reward_counts_not_a_better_accuracy():
    accuracy, reward = np.array([0.5, 0.9, 0.7]), np.array([0.5, 0.1, 0.6])
    costly = Strategy("costly", (Run("costly", accuracy, np.ones(3), reward=reward),))
    targets = reach_targets([costly], {"trials": 3.0}, seed=0)
    assert targets.accuracy == 0.7
    assert targets.strategies[0].median == 3
