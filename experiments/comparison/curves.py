"""Curves of runs against trials or against time, and their averages with bootstrap bands."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from experiments.comparison import statistics
from experiments.comparison.results import Curve, Curves
from experiments.comparison.statistics import Band, FloatArray, Statistic

IntArray: TypeAlias = NDArray[np.int64]

NUM_POINTS = 120
WINDOW = 25
MIN_IN_WINDOW = 5
TOPS = (1, 5, 25)
"""Numbers of best architectures, as in NASNet's comparison with random search (1707.07012, figure 6)."""
SUCCESS, CACHED, STOPPED = "success", "cached", "stopped"


@dataclass(frozen=True)
class Run:
    """One run of one controller: arrays with one entry per finished trial, trained or cached, as they finished.

    Attributes:
        accuracy: on the validation split, 0..1; NaN for a failure and for a trial that was stopped early.
        seconds: a worker's time for each trial; 0 for a cached one.
        test: test accuracy, 0..1, never used for selection; None if not measured.
        reward: of each success, NaN for a failure; None if it is the accuracy.
        fingerprints: of the architectures, so that repeated ones count once; None if all are distinct.
        statuses: ``success``, ``cached``, ``stopped`` or the kind of failure; None to derive them from the accuracy.
        elapsed_seconds: time at which each trial finished, not decreasing; None if unknown or interrupted.
        hypervolume: of a search for a front: share of the best known hypervolume after each trial; None for others.
    """

    name: str
    accuracy: FloatArray
    seconds: FloatArray
    test: FloatArray | None = None
    reward: FloatArray | None = None
    fingerprints: Sequence[str] | None = None
    statuses: Sequence[str] | None = None
    elapsed_seconds: FloatArray | None = None
    hypervolume: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "test", "reward", "fingerprints", "statuses", "elapsed_seconds", "hypervolume"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.accuracy):
                raise ValueError(f"{name} of run {self.name} must hold {len(self.accuracy)} entries, got {len(column)}")
        if not len(self.accuracy):
            raise ValueError(f"run {self.name} must hold at least one finished trial")
        if not (np.isfinite(self.seconds).all() and (self.seconds >= 0).all()):
            raise ValueError(f"the seconds of run {self.name} must be finite and at least 0")

    @property
    def num_trials(self) -> int:
        """Number of finished trials."""
        return len(self.accuracy)

    @cached_property
    def scores(self) -> FloatArray:
        """What the search was told of each success and maximized: the reward, or the accuracy if that is it."""
        return self.accuracy if self.reward is None else np.where(np.isnan(self.accuracy), np.nan, self.reward)

    @cached_property
    def firsts(self) -> FloatArray:
        """Scores without those of repeated architectures (NaN), so that each counts with its first evaluation."""
        if self.fingerprints is None:
            return self.scores
        seen: set[str] = set()
        values = self.scores.copy()
        for index in np.flatnonzero(~np.isnan(values)).tolist():
            if self.fingerprints[index] in seen:
                values[index] = np.nan
            seen.add(self.fingerprints[index])
        return values

    @cached_property
    def status_of_trials(self) -> tuple[str, ...]:
        """``success``, ``cached`` or the kind of failure of each trial."""
        if self.statuses is not None:
            return tuple(self.statuses)
        return tuple("error" if np.isnan(value) else SUCCESS for value in self.accuracy)

    @property
    def num_distinct(self) -> int:
        """Number of different architectures with a success."""
        return int((~np.isnan(self.firsts)).sum())

    @property
    def num_duplicates(self) -> int:
        """Number of successes with an architecture of an earlier trial."""
        return int(np.isnan(self.firsts).sum() - np.isnan(self.scores).sum())

    @cached_property
    def incumbents(self) -> IntArray:
        """Index of the best trial so far, by score, after each trial; -1 before the first success."""
        values = np.where(np.isnan(self.firsts), -np.inf, self.firsts)
        best = np.maximum.accumulate(values)
        improved = values > np.concatenate([[-np.inf], best[:-1]])
        return np.asarray(np.maximum.accumulate(np.where(improved, np.arange(len(values)), -1)))

    @cached_property
    def curves(self) -> dict[str, FloatArray]:
        """Curves by name: one value after each trial, NaN where there is none yet.

        ``hypervolume`` is that of a search for a front, ``incumbent`` the validation accuracy of the best trial so far
        by score, ``incumbent_test`` its test accuracy, ``moving_mean`` the mean validation accuracy of the last 25
        trials, ``incumbent_reward`` and ``moving_reward`` the same of the reward if it is not the accuracy, ``top_5``
        the mean validation accuracy of the five distinct architectures of the largest accuracy so far.
        """
        curves = {"incumbent": _follow(self.accuracy, self.incumbents)}
        if self.hypervolume is not None:
            curves["hypervolume"] = self.hypervolume
        if self.test is not None:
            curves["incumbent_test"] = _follow(self.test, self.incumbents)
        curves["moving_mean"] = moving_mean(self.accuracy)
        if self.reward is not None:
            curves["incumbent_reward"] = _follow(self.reward, self.incumbents)
            curves["moving_reward"] = moving_mean(self.reward)
        accuracies = np.where(np.isnan(self.firsts), np.nan, self.accuracy)
        return curves | {f"top_{count}": curve for count, curve in top_means(accuracies, TOPS).items()}

    def best(self, count: int) -> IntArray:
        """Returns the indices of the best distinct architectures by score, best first, ties by age."""
        order = np.argsort(-self.firsts, kind="stable")  # NaN sorts last
        return np.asarray(order[: min(count, int((~np.isnan(self.firsts)).sum()))])


@dataclass(frozen=True)
class Strategy:
    """A search strategy, the settings that define it, and its independent runs, one or more with different seeds."""

    name: str
    runs: tuple[Run, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError(f"strategy {self.name} must have at least one run")


def moving_mean(values: FloatArray, *, window: int = WINDOW) -> FloatArray:
    """Computes the mean of the last values, ignoring NaN; NaN where there are fewer than five."""
    windows = sliding_window_view(np.concatenate([np.full(window - 1, np.nan), values]), window)
    number = (~np.isnan(windows)).sum(axis=1)
    means = np.nansum(windows, axis=1) / np.maximum(number, 1)
    return np.where(number >= min(MIN_IN_WINDOW, window), means, np.nan)


def top_means(values: FloatArray, counts: Sequence[int]) -> dict[int, FloatArray]:
    """Computes the mean of the best values so far for each count, ignoring NaN; NaN until there are enough."""
    curves = {count: np.full(len(values), np.nan) for count in counts}
    ordered: list[float] = []
    means = dict.fromkeys(counts, np.nan)
    for index, value in enumerate(values.tolist()):
        if not math.isnan(value):
            insort(ordered, value)
            means = {count: sum(ordered[-count:]) / count if len(ordered) >= count else np.nan for count in counts}
        for count in counts:
            curves[count][index] = means[count]
    return curves


def positions(run: Run, axis: str) -> FloatArray:
    """Returns the end of each trial on an axis, not decreasing; raises ValueError if the run has no such axis.

    The axes are ``trials``, ``worker_seconds`` (time of all workers on the trials so far) and ``elapsed_seconds``.
    """
    if axis == "trials":
        return np.arange(1, run.num_trials + 1, dtype=float)
    if axis == "worker_seconds":
        return np.asarray(np.cumsum(run.seconds))
    if axis == "elapsed_seconds" and run.elapsed_seconds is not None:
        return run.elapsed_seconds
    raise ValueError(f"run {run.name} has no axis {axis}")


def at(curve: FloatArray, places: FloatArray, points: FloatArray) -> FloatArray:
    """Evaluates a step curve that changes at given places (see `positions`) at other points of the axis.

    The value at a point is that of the last trial ending there or before; NaN before the first.
    """
    index = np.searchsorted(places, points * (1 + 1e-12), side="right") - 1
    return np.where(index < 0, np.nan, curve[np.maximum(index, 0)])


def curves_with_bands(strategy: Strategy, axis: str, *, seed: int) -> Curves:
    """Computes mean and interquartile mean, with bands, of each curve that all runs have on one axis."""
    places = [positions(run, axis) for run in strategy.runs]
    curves = [run.curves for run in strategy.runs]
    points = _points(strategy.runs, places, axis)
    found = {}
    for name in (name for name in curves[0] if all(name in each for each in curves)):
        values = np.array([at(curve[name], place, points) for curve, place in zip(curves, places, strict=True)])
        limits = (-np.inf, np.inf) if name.endswith("_reward") else (0.0, 1.0)
        both = (statistics.mean, statistics.interquartile_mean)
        found[name] = Curve(*(_band(values, limits, statistic, seed=seed) for statistic in both))
    return Curves(points, found)


def _follow(values: FloatArray, incumbents: IntArray) -> FloatArray:
    return np.where(incumbents < 0, np.nan, values[np.maximum(incumbents, 0)])


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
    return Band(*(np.where(missing, np.nan, np.clip(column, *limits)) for column in astuple(band)))
