"""The curves of several runs as one, with bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.comparison import statistics
from experiments.comparison.curves import FloatArray, Run, Strategy, at, positions
from experiments.comparison.statistics import Band

NUM_POINTS = 120
BAND_RESAMPLES = 1000
_STATISTICS = {"mean": statistics.mean, "iqm": statistics.interquartile_mean}


def curves_with_bands(strategy: Strategy, axis: str, *, seed: int) -> dict[str, Any]:
    """Mean and interquartile mean of each curve that all runs have, with bootstrap bands.

    Args:
        strategy: whose runs are taken together.
        axis: see `experiments.comparison.curves.positions`.
        seed: of the bootstrap.

    Returns:
        ``points`` on the axis and, by name of the curve and of the statistic, ``value``, ``low`` and ``high`` there;
        NaN where a run has no value yet.
    """
    places = [positions(run, axis) for run in strategy.runs]
    curves = [run.curves for run in strategy.runs]
    points = _points(strategy.runs, places, axis)
    shared = [name for name in curves[0] if all(name in each for each in curves)]
    result: dict[str, Any] = {"points": points}
    for name in shared:
        values = np.array([at(curve[name], place, points) for curve, place in zip(curves, places, strict=True)])
        limits = (-np.inf, np.inf) if name == "moving_reward" else (0.0, 1.0)
        result[name] = {
            key: _band(
                values, limits, statistics.bootstrap_band(values, function, seed=seed, num_resamples=BAND_RESAMPLES)
            )
            for key, function in _STATISTICS.items()
        }
    return result


def _points(runs: Sequence[Run], places: Sequence[FloatArray], axis: str) -> FloatArray:
    """Where curves are read: up to the shortest run; on an axis of seconds from the first successes, evenly in log."""
    end = min(float(place[-1]) for place in places)
    if axis == "trials":
        return np.unique(np.linspace(1, end, NUM_POINTS).round())
    found = [np.flatnonzero(run.incumbents >= 0) for run in runs]
    firsts = [float(place[each[0]]) for each, place in zip(found, places, strict=True) if each.size]
    start = max([*firsts, end * 1e-6])
    return np.geomspace(start, end, NUM_POINTS) if start < end else np.array([end])


def _band(values: FloatArray, limits: tuple[float, float], band: Band) -> dict[str, FloatArray]:
    """Within the limits of what is measured, and without the points where a run has no value yet."""
    missing = np.isnan(values).any(axis=0)
    columns = {"value": band.value, "low": band.low, "high": band.high}
    return {name: np.where(missing, np.nan, np.clip(column, *limits)) for name, column in columns.items()}
