from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from experiments.comparison.analysis import CHECKPOINTS, compare_strategies, is_random
from experiments.comparison.curves import Run, Strategy
from experiments.comparison.run import write_comparison


def constant(name, levels, *, trials=20, seconds=1.0, **columns):
    """Runs that reach their level with the first trial."""
    runs = [
        Run(f"{name} {place}", np.full(trials, level), np.full(trials, seconds), **columns)
        for place, level in enumerate(levels)
    ]
    return Strategy(name, tuple(runs))


@pytest.fixture(scope="module")
def tested(make_strategy):
    return compare_strategies(
        [make_strategy("ppo", seeds=6, rate=0.002, test=True), make_strategy("random", seeds=6, test=True)]
    )


def test_comparison_is_valid_json_without_nan(tested):
    plain = tested.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_curves_hold_mean_and_interquartile_mean_with_bands(tested):
    curves = tested.strategies[0].curves
    assert set(curves) == {"trials", "worker_seconds"}
    names = {"points", "incumbent", "incumbent_test", "moving_mean", "top_1", "top_5", "top_25"}
    assert {"points", *curves["trials"].by_name} == names
    assert curves["trials"].points.tolist() == list(range(1, 31))
    incumbent = curves["trials"].by_name["incumbent"]
    for band in (incumbent.mean, incumbent.iqm):
        assert band.low[-1] <= band.value[-1] <= band.high[-1]
    assert math.isnan(curves["trials"].by_name["top_25"].mean.value[10])
    points = curves["worker_seconds"].points.tolist()
    assert points == sorted(points)
    assert points[-1] == pytest.approx(min(run.worker_seconds for run in tested.strategies[0].runs))


def test_every_pair_is_tested_at_every_checkpoint_and_corrected_together(tested):
    rows = tested.tests
    assert [(row.axis, row.share) for row in rows] == [
        *(("trials", share) for share in CHECKPOINTS),
        ("worker_seconds", 1.0),
    ]
    assert [row.point for row in rows][:4] == [3, 8, 15, 30]
    smallest = min(rows, key=lambda row: row.p)
    assert smallest.p_holm == pytest.approx(5 * smallest.p)
    assert all(row.shown == (row.p_holm < 0.05) for row in rows)
    assert rows[3].means[0] - rows[3].means[1] == pytest.approx(rows[3].difference.value, abs=1e-6)


def test_what_ends_the_budget_is_the_least_that_all_runs_have_spent(make_strategy):
    compared = compare_strategies([make_strategy("ppo", seeds=2, trials=40), make_strategy("random", seeds=3)])
    assert compared.budget["trials"] == 30
    assert compared.tests[3].point == 30
    assert compared.strategies[0].curves["trials"].points[-1] == 40
    assert any("The runs differ in their number of trials" in note for note in compared.notes)


def test_test_accuracy_counts_only_where_all_runs_have_one(make_strategy, tested):
    assert tested.measure == "incumbent_test"
    mixed = compare_strategies([make_strategy("ppo", seeds=1, test=True), make_strategy("random", seeds=1)])
    assert mixed.measure == "incumbent"


def test_intervals_of_accuracies_end_at_one_and_those_of_rewards_do_not():
    runs = [
        Run(f"{level}", np.full(8, level), np.ones(8), reward=np.full(8, 10 * level)) for level in (0.9, 0.99, 0.99)
    ]
    compared = compare_strategies([Strategy("ppo", tuple(runs))]).strategies[0]
    assert compared.final.high == 1.0
    assert compared.curves["trials"].by_name["incumbent"].mean.high[-1] == 1.0
    assert compared.curves["trials"].by_name["moving_reward"].mean.high[-1] > 10


def test_area_under_the_curve_worked_by_hand():
    run = Run("a", np.array([np.nan, 0.5, 0.9]), np.array([1.0, 1.0, 3.0]))
    shorter = Run("b", np.array([0.4, 0.4, 0.4]), np.array([1.0, 1.0, 2.0]))
    areas = [
        each.area_under_curve
        for each in compare_strategies([Strategy("x", (run,)), Strategy("y", (shorter,))]).strategies
    ]
    # Trials 2 and 3 of 3, each standing for itself.
    assert areas[0]["trials"].value == pytest.approx(0.7)
    # Seconds 2 to 4: 0.9 comes with second 5, outside of the budget of 4.
    assert areas[0]["worker_seconds"].value == pytest.approx(0.5)
    assert areas[1]["worker_seconds"].value == pytest.approx(0.4)


def test_gain_over_random_is_relative_to_the_mean_random_architecture():
    random = Run("r", np.array([0.4, 0.6, np.nan, 0.5]), np.ones(4))
    compared = compare_strategies([constant("ppo", [0.6, 0.7], trials=4), Strategy("random", (random,))])
    assert compared.random_architecture == pytest.approx(0.5)
    assert compared.strategies[0].gain_over_random.value == pytest.approx(0.3)
    assert compared.strategies[1].gain_over_random.value == pytest.approx(0.2)
    assert not compared.strategies[1].gain_over_random.bounded


def test_random_search_is_known_by_its_controller():
    run = constant("x", [0.5]).runs
    assert is_random(Strategy("random, 20 workers", run, {"name": "random"}))
    assert is_random(Strategy("random", run))
    assert not is_random(Strategy("random", run, {"name": "ppo"}))
    assert is_random(Strategy("random", run, {"name": "random", "wrapper.name": "fresh"}))
    assert not is_random(Strategy("random", run, {"name": "random", "wrapper.name": "surrogate"}))


def test_failures_cached_trials_and_duplicates_are_counted():
    run = Run(
        "a",
        np.array([0.5, np.nan, 0.5, np.nan, 0.6, 0.5]),
        np.array([2.0, 3.0, 0.0, 4.0, 5.0, 0.0]),
        fingerprints=["x", "y", "x", "z", "w", "x"],
        statuses=["success", "timeout", "cached", "diverged", "success", "cached"],
    )
    described = compare_strategies([Strategy("ppo", (run,))]).strategies[0]
    assert asdict(described.trials) == {
        "total": 6,
        "trained": 2,
        "cached": 2,
        "distinct": 2,
        "duplicates": 2,
        "failed": {"diverged": 1, "timeout": 1},
    }
    assert asdict(described.cost) == {
        "worker_seconds": 14.0,
        "worker_seconds_of_failures": 7.0,
        "worker_seconds_a_run": 14.0,
        "worker_seconds_a_trial": pytest.approx(14 / 6, abs=1e-5),
    }
    assert [(best.place, best.accuracy, best.fingerprint) for best in described.best] == [
        (5, 0.6, "w"),
        (1, 0.5, "x"),
    ]


def test_the_best_of_several_runs_hold_each_architecture_once():
    columns = {"fingerprints": ["same", "other"]}
    first = Run("a", np.array([0.7, 0.5]), np.ones(2), **columns)
    second = Run("b", np.array([0.8, 0.6]), np.ones(2), **columns)
    best = compare_strategies([Strategy("ppo", (first, second))]).strategies[0].best
    assert [(each.run, each.accuracy) for each in best] == [("b", 0.8), ("b", 0.6)]


def test_one_seed_is_drawn_and_not_tested(make_strategy):
    compared = compare_strategies([make_strategy("ppo", seeds=1), make_strategy("random", seeds=1)])
    assert compared.tests == ()
    assert compared.to_json()["strategies"][0]["final"]["low"] is None
    assert len(compared.strategies[0].runs[0].accuracy) == 30
    assert "No test is possible" in compared.verdict[0]


def test_where_a_run_has_no_success_yet_it_counts_as_0():
    late = Run("late", np.array([np.nan] * 15 + [0.9] * 5), np.ones(20))
    compared = compare_strategies([Strategy("ppo", (late, late)), constant("random", [0.5, 0.6])])
    assert [row.means[0] for row in compared.tests] == pytest.approx([0, 0, 0, 0.9, 0.9])
    shorter = compare_strategies([Strategy("ppo", (late, late)), constant("random", [0.5, 0.6], trials=10)])
    assert shorter.strategies[0].final.value == 0
    assert shorter.strategies[0].area_under_curve["trials"].value == 0


def test_a_run_in_which_everything_failed_stays_in_the_comparison(tmp_path):
    broken = Run("broken", np.full(20, np.nan), np.ones(20))
    compared = compare_strategies([Strategy("ppo", (broken, broken)), constant("random", [0.5, 0.6])])
    assert compared.strategies[0].final.value == 0
    assert compared.strategies[0].best == ()
    assert compared.tests[-1].difference.value == pytest.approx(-0.55)
    assert any("2 runs without any successful trial" in note for note in compared.notes)
    assert len(write_comparison(compared, tmp_path)) == 6
    alone = compare_strategies([Strategy("random", (broken,)), constant("ppo", [0.5])])
    assert alone.to_json()["random_architecture"] is None
    assert write_comparison(alone, tmp_path)


def test_identical_strategies_are_not_told_apart_and_shifted_ones_are():
    levels = np.linspace(0.5, 0.6, 8)
    same = compare_strategies([constant("ppo", levels), constant("random", levels)])
    assert not any(row.shown for row in same.tests)
    assert same.tests[0].seeds_needed is None
    apart = compare_strategies([constant("ppo", levels + 0.2), constant("random", levels)])
    assert all(row.shown for row in apart.tests)
    assert apart.tests[0].probability_of_improvement.value == 1


def test_axes_that_the_runs_do_not_have_are_left_out():
    free = compare_strategies([constant("ppo", [0.5, 0.6], seconds=0.0)])
    assert set(free.budget) == {"trials"}
    clock = compare_strategies([constant("ppo", [0.5, 0.6], elapsed_seconds=np.arange(1.0, 21.0) / 2)])
    assert clock.budget == {"trials": 20, "worker_seconds": 20, "elapsed_seconds": 10}
    alone = compare_strategies([constant("ppo", [0.5, 0.6], elapsed_seconds=np.arange(1.0, 21.0))])
    assert set(alone.budget) == {"trials", "worker_seconds"}  # one worker's time is the time on the clock


def test_dots_are_left_out_where_there_are_too_many():
    many = compare_strategies([constant("ppo", [0.5, 0.6], trials=2600)])
    assert many.strategies[0].runs[0].accuracy is None
    assert "accuracy" not in many.to_json()["strategies"][0]["runs"][0]
    assert len(many.strategies[0].curves["trials"].points) == 120


@pytest.mark.parametrize(("names", "came"), [([], "none"), (["ppo", "ppo"], "ppo, ppo")])
def test_strategies_without_different_names_are_refused(names, came):
    with pytest.raises(ValueError, match=f"strategies must be one or more, of distinct names, got {came}"):
        compare_strategies([constant(name, [0.5]) for name in names])
