import numpy as np
import pytest

from experiments.comparison.curve_bands import NUM_POINTS, curves_with_bands
from experiments.comparison.curves import Run, Strategy

NAN = np.nan


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
