from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from experiments.comparison.curves import Run, Strategy, at, measures, moving_mean, positions, top_means

NAN = math.nan


def run(accuracy, **columns):
    columns = {"seconds": [1.0] * len(accuracy), **columns}
    arrays = {
        name: np.array(column) if name in {"seconds", "test", "reward", "elapsed_seconds"} else column
        for name, column in columns.items()
    }
    return Run("a run", np.array(accuracy, dtype=float), **arrays)


def test_incumbent_is_chosen_by_validation_and_reported_by_test():
    curves = measures(run([NAN, 0.5, 0.7, 0.6, 0.8], test=[NAN, 0.9, 0.4, 0.99, 0.6]))
    assert_allclose(curves["incumbent"], [NAN, 0.5, 0.7, 0.7, 0.8])
    assert_allclose(curves["incumbent_test"], [NAN, 0.9, 0.4, 0.4, 0.6])  # never the best by test


def test_of_equal_trials_the_first_stays_incumbent():
    assert run([0.5, 0.7, 0.7]).incumbents.tolist() == [0, 1, 1]


def test_an_architecture_counts_once_as_first_measured():
    once = run([NAN, 0.5, 0.9, 0.6, 0.7], fingerprints=["a", "a", "a", "b", "a"])
    assert_allclose(once.firsts, [NAN, 0.5, NAN, 0.6, NAN])
    assert once.num_duplicates == 2
    curves = measures(once)
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
    curves = measures(run(accuracy))
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
    assert "moving_reward" not in measures(run([0.5] * 6))
    curves = measures(run([0.5] * 6, reward=[-1.0] * 6))
    assert (curves["moving_mean"][-1], curves["moving_reward"][-1]) == (0.5, -1.0)


def test_positions_and_reading_between_them():
    example = run([0.1, 0.2, 0.3], seconds=[2.0, 0.0, 5.0], elapsed_seconds=[1.0, 4.0, 4.5])
    assert positions(example, "trials").tolist() == [1, 2, 3]
    assert positions(example, "elapsed_seconds").tolist() == [1.0, 4.0, 4.5]
    places = positions(example, "worker_seconds")
    assert places.tolist() == [2.0, 2.0, 7.0]
    points = np.array([1.9, 2.0, 6.9, 7.0, 100.0])
    assert_allclose(at(measures(example)["incumbent"], places, points), [NAN, 0.2, 0.2, 0.3, 0.3])


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
