"""Averages the curves of several runs, with bootstrap bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.comparison import statistics
from experiments.comparison.curves import FloatArray, Run, Strategy, at, positions
from experiments.comparison.results import Curve, Curves
from experiments.comparison.statistics import Band, Statistic

NUM_POINTS = 120


def curves_with_bands(strategy: Strategy, axis: str, *, seed: int) -> Curves:
    """Computes mean and interquartile mean, with bands, of each curve that all runs have.

    Args:
        strategy: whose runs are averaged.
        axis: see `experiments.comparison.curves.positions`.
        seed: of the bootstrap.
    """
    places = [positions(run, axis) for run in strategy.runs]
    curves = [run.curves for run in strategy.runs]
    points = _points(strategy.runs, places, axis)
    shared = [name for name in curves[0] if all(name in each for each in curves)]
    found = {}
    for name in shared:
        values = np.array([at(curve[name], place, points) for curve, place in zip(curves, places, strict=True)])
        limits = (-np.inf, np.inf) if name == "moving_reward" else (0.0, 1.0)
        mean, iqm = (
            _band(values, limits, statistic, seed=seed)
            for statistic in (statistics.mean, statistics.interquartile_mean)
        )
        found[name] = Curve(mean, iqm)
    return Curves(points, found)


def _points(runs: Sequence[Run], places: Sequence[FloatArray], axis: str) -> FloatArray:
    """Points up to the end of the shortest run; on an axis of seconds, evenly in log from the first successes on."""
    end = min(float(place[-1]) for place in places)
    if axis == "trials":
        return np.unique(np.linspace(1, end, NUM_POINTS).round())
    found = [np.flatnonzero(run.incumbents >= 0) for run in runs]
    firsts = [float(place[each[0]]) for each, place in zip(found, places, strict=True) if each.size]
    start = max([*firsts, end * 1e-6])
    return np.geomspace(start, end, NUM_POINTS) if start < end else np.array([end])


def _band(values: FloatArray, limits: tuple[float, float], statistic: Statistic, *, seed: int) -> Band:
    """Clipped to the limits of the measure; NaN at points where a run has no value yet."""
    band = statistics.bootstrap_band(values, statistic, seed=seed, num_resamples=statistics.BAND_RESAMPLES)
    missing = np.isnan(values).any(axis=0)
    value, low, high = (
        np.where(missing, np.nan, np.clip(column, *limits)) for column in (band.value, band.low, band.high)
    )
    return Band(value, low, high)
