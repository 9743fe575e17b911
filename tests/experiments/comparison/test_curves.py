from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from experiments.comparison.curves import (
    NUM_POINTS,
    Run,
    Strategy,
    at,
    curves_with_bands,
    moving_mean,
    positions,
    top_means,
)

NAN = math.nan


def run(accuracy, **columns):
    columns = {"seconds": [1.0] * len(accuracy), **columns}
    arrays = {
        name: np.array(column) if name in {"seconds", "test", "reward", "elapsed_seconds"} else column
        for name, column in columns.items()
    }
    return Run("a run", np.array(accuracy, dtype=float), **arrays)


def test_incumbent_is_chosen_by_validation_and_reported_by_test():
    curves = run([NAN, 0.5, 0.7, 0.6, 0.8], test=[NAN, 0.9, 0.4, 0.99, 0.6]).curves
    assert_allclose(curves["incumbent"], [NAN, 0.5, 0.7, 0.7, 0.8])
    assert_allclose(curves["incumbent_test"], [NAN, 0.9, 0.4, 0.4, 0.6])  # never the best by test


def test_of_equal_trials_the_first_stays_incumbent():
    assert run([0.5, 0.7, 0.7]).incumbents.tolist() == [0, 1, 1]


def test_an_architecture_counts_once_as_first_measured():
    once = run([NAN, 0.5, 0.9, 0.6, 0.7], fingerprints=["a", "a", "a", "b", "a"])
    assert_allclose(once.firsts, [NAN, 0.5, NAN, 0.6, NAN])
    assert once.num_duplicates == 2
    curves = once.curves
    assert_allclose(curves["incumbent"], [NAN, 0.5, 0.5, 0.6, 0.6])
    assert_allclose(curves["moving_mean"], [NAN, NAN, NAN, NAN, NAN])  # four successes are too few
    assert once.best(3).tolist() == [3, 1]
    assert run([0.5, 0.5]).num_duplicates == 0


def test_top_means_need_so_many():
    curves = top_means(np.array([0.3, NAN, 0.9, 0.6, 0.1]), (1, 2, 3))
    assert_allclose(curves[1], [0.3, 0.3, 0.9, 0.9, 0.9])
    assert_allclose(curves[2], [NAN, NAN, 0.6, 0.75, 0.75])
    assert_allclose(curves[3], [NAN, NAN, NAN, 0.6, 0.6])


def test_top_1_is_the_incumbent():
    accuracy = np.random.default_rng(0).uniform(size=60)
    curves = run(accuracy).curves
    assert_allclose(curves["top_1"], curves["incumbent"])
    assert_allclose(curves["top_25"][-1], np.sort(accuracy)[-25:].mean())


def test_moving_mean_leaves_failures_out():
    values = np.arange(40.0)
    values[35] = NAN
    curve = moving_mean(values)
    assert np.isnan(curve[:4]).all()
    assert curve[4] == 2.0
    assert curve[29] == pytest.approx(np.arange(5, 30).mean())
    assert curve[39] == pytest.approx(np.nanmean(values[15:]))
    assert moving_mean(np.array([1.0, 2.0, 3.0]), window=2).tolist()[1:] == [1.5, 2.5]


def test_reward_has_a_curve_of_its_own():
    assert "moving_reward" not in run([0.5] * 6).curves
    curves = run([0.5] * 6, reward=[-1.0] * 6).curves
    assert (curves["moving_mean"][-1], curves["moving_reward"][-1]) == (0.5, -1.0)


def test_positions_and_reading_between_them():
    example = run([0.1, 0.2, 0.3], seconds=[2.0, 0.0, 5.0], elapsed_seconds=[1.0, 4.0, 4.5])
    assert positions(example, "trials").tolist() == [1, 2, 3]
    assert positions(example, "elapsed_seconds").tolist() == [1.0, 4.0, 4.5]
    places = positions(example, "worker_seconds")
    assert places.tolist() == [2.0, 2.0, 7.0]
    points = np.array([1.9, 2.0, 6.9, 7.0, 100.0])
    assert_allclose(at(example.curves["incumbent"], places, points), [NAN, 0.2, 0.2, 0.3, 0.3])


def test_unknown_axis_is_refused():
    with pytest.raises(ValueError, match="run a run has no axis elapsed_seconds"):
        positions(run([0.5]), "elapsed_seconds")


def test_statuses_come_from_the_accuracy_or_are_given():
    assert run([0.5, NAN]).status_of_trials == ("success", "error")
    assert run([0.5, NAN], statuses=["cached", "timeout"]).status_of_trials == ("cached", "timeout")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"test": [0.5]}, "test of run a run must hold 2 entries, got 1"),
        ({"fingerprints": ["a"]}, "fingerprints of run a run must hold 2 entries, got 1"),
        ({"seconds": [1.0, -1.0]}, "seconds of run a run must be finite and at least 0"),
        ({"seconds": [1.0, NAN]}, "seconds of run a run must be finite and at least 0"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        run([0.5, 0.6], **columns)


def test_runs_and_strategies_hold_something():
    with pytest.raises(ValueError, match="at least one finished trial"):
        run([])
    with pytest.raises(ValueError, match="strategy ppo must have at least one run"):
        Strategy("ppo", ())


def strategy(*accuracies, **columns):
    return Strategy("x", tuple(Run(str(i), np.array(a), np.ones(len(a)), **columns) for i, a in enumerate(accuracies)))


def test_the_mean_lies_between_its_bounds_at_every_trial():
    curves = curves_with_bands(strategy([0.2, 0.4, 0.6], [0.4, 0.4, 0.4], [0.3, 0.5, 0.5]), "trials", seed=0)
    assert list(curves.points) == [1, 2, 3]
    band = curves.by_name["incumbent"].mean
    assert list(band.value) == pytest.approx([0.3, 1.3 / 3, 0.5])
    assert (band.low <= band.value).all()
    assert (band.value <= band.high).all()


def test_curves_end_with_the_shortest_run_and_begin_where_all_have_something():
    curves = curves_with_bands(strategy([NAN, 0.4, 0.6, 0.7], [0.4, 0.4, 0.5]), "trials", seed=0)
    assert list(curves.points) == [1, 2, 3]
    assert np.isnan(curves.by_name["incumbent"].mean.value[0])
    assert not np.isnan(curves.by_name["incumbent"].mean.value[1:]).any()


def test_an_axis_of_seconds_is_read_evenly_in_its_logarithm():
    points = curves_with_bands(strategy([0.1] * 50, [0.2] * 50), "worker_seconds", seed=0).points
    assert len(points) == NUM_POINTS
    assert (points[0], points[-1]) == pytest.approx((1, 50))
    assert np.diff(np.log(points)) == pytest.approx(np.log(50) / (NUM_POINTS - 1))


def test_runs_without_a_success_have_points_and_no_values():
    curves = curves_with_bands(strategy([NAN, NAN], [NAN, NAN]), "worker_seconds", seed=0)
    assert np.isnan(curves.by_name["incumbent"].mean.value).all()


def test_only_curves_that_all_runs_have_are_there():
    whole = strategy([0.1, 0.2], test=np.array([0.1, 0.2])).runs[0]
    mixed = Strategy("x", (whole, strategy([0.1, 0.2]).runs[0]))
    assert "incumbent_test" in curves_with_bands(Strategy("x", (whole,)), "trials", seed=0).by_name
    assert "incumbent_test" not in curves_with_bands(mixed, "trials", seed=0).by_name


def test_the_incumbent_follows_the_reward_and_its_accuracy_is_shown_beside_it():
    accuracy, reward = np.array([0.5, 0.9, 0.7]), np.array([0.5, 0.1, 0.6])
    run = Run("a", accuracy, np.ones(3), test=accuracy - 0.1, reward=reward)
    assert run.curves["incumbent"].tolist() == [0.5, 0.5, 0.7]
    assert run.curves["incumbent_test"].tolist() == pytest.approx([0.4, 0.4, 0.6])
    assert run.curves["incumbent_reward"].tolist() == [0.5, 0.5, 0.6]
    assert run.best(1).tolist() == [2]


def test_distinct_architectures_are_counted_without_failures():
    accuracy = np.array([0.5, np.nan, 0.5, 0.7])
    assert Run("a", accuracy, np.ones(4), fingerprints=["x", "y", "x", "z"]).num_distinct == 2
