"""Curves of runs against trials or against the workers' time.

A run is a set of arrays with one entry per finished trial in the order of finishing, trained or looked up.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

WINDOW = 25
MIN_IN_WINDOW = 5
TOPS = (1, 5, 25)
"""Numbers of best architectures, as in NASNet's comparison with random search (1707.07012, figure 6)."""
SUCCESS, CACHED = "success", "cached"


@dataclass(frozen=True)
class Run:
    """One run of one controller: arrays with one entry per finished trial in the order of finishing.

    Attributes:
        name: unique, for example its folder or seed.
        accuracy: on the validation split, 0..1; NaN for a failure.
        seconds: a worker's time for each trial; 0 for a cached one.
        test: test accuracy, 0..1, never used for selection; None if not measured.
        reward: of each success, NaN for a failure; None if it is the accuracy.
        fingerprints: of the architectures, so that repeated ones count once; None if all are distinct.
        statuses: ``success``, ``cached`` or the kind of failure; None to derive them from the accuracy.
        elapsed_seconds: time at which each trial finished, not decreasing; None if unknown or interrupted.
    """

    name: str
    accuracy: FloatArray
    seconds: FloatArray
    test: FloatArray | None = None
    reward: FloatArray | None = None
    fingerprints: Sequence[str] | None = None
    statuses: Sequence[str] | None = None
    elapsed_seconds: FloatArray | None = None

    def __post_init__(self) -> None:
        columns: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("seconds", "test", "reward", "fingerprints", "statuses", "elapsed_seconds")
        }
        for name, column in columns.items():
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
    def firsts(self) -> FloatArray:
        """Accuracies without those of repeated architectures (NaN), so that each counts with its first evaluation."""
        if self.fingerprints is None:
            return self.accuracy
        seen: set[str] = set()
        values = self.accuracy.copy()
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

    @cached_property
    def num_duplicates(self) -> int:
        """Number of successes with an architecture of an earlier trial."""
        return int(np.isnan(self.firsts).sum() - np.isnan(self.accuracy).sum())

    @cached_property
    def incumbents(self) -> IntArray:
        """Index of the best trial so far, by validation accuracy, after each trial; -1 before the first success."""
        values = np.where(np.isnan(self.firsts), -np.inf, self.firsts)
        best = np.maximum.accumulate(values)
        improved = values > np.concatenate([[-np.inf], best[:-1]])
        return np.asarray(np.maximum.accumulate(np.where(improved, np.arange(len(values)), -1)))

    @cached_property
    def curves(self) -> dict[str, FloatArray]:
        """Curves against trials, see `measures`."""
        return measures(self)

    def best(self, count: int) -> IntArray:
        """Returns the indices of the best distinct architectures by validation accuracy, best first, ties by age."""
        order = np.argsort(-self.firsts, kind="stable")  # NaN sorts last
        return np.asarray(order[: min(count, int((~np.isnan(self.firsts)).sum()))])


@dataclass(frozen=True)
class Strategy:
    """A search strategy and its independent runs.

    Attributes:
        name: shown in figures and tables.
        runs: one or more, each with its own seed.
        settings: that define it, shown in the report.
    """

    name: str
    runs: tuple[Run, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError(f"strategy {self.name} must have at least one run")


def measures(run: Run) -> dict[str, FloatArray]:
    """Computes the curves of one run by name: one value after each trial, NaN where there is none yet.

    ``incumbent`` is the best validation accuracy so far, ``incumbent_test`` the test accuracy of the same trial,
    ``moving_mean`` the mean validation accuracy of the last 25 trials, ``moving_reward`` their mean reward if it is
    not the accuracy, ``top_5`` the mean validation accuracy of the five best distinct architectures so far.
    """
    curves = {"incumbent": _follow(run.accuracy, run.incumbents)}
    if run.test is not None:
        curves["incumbent_test"] = _follow(run.test, run.incumbents)
    curves["moving_mean"] = moving_mean(run.accuracy)
    if run.reward is not None:
        curves["moving_reward"] = moving_mean(run.reward)
    return curves | {f"top_{count}": curve for count, curve in top_means(run.firsts, TOPS).items()}


def moving_mean(values: FloatArray, *, window: int = WINDOW) -> FloatArray:
    """Computes the mean of the last values, ignoring NaN; NaN where there are fewer than five."""
    known = ~np.isnan(values)
    sums, counts = (
        np.concatenate([[0.0], np.cumsum(column)]) for column in (np.where(known, values, 0.0), known.astype(float))
    )
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    number = counts[ends] - counts[starts]
    enough = number >= min(MIN_IN_WINDOW, window)
    return np.where(enough, (sums[ends] - sums[starts]) / np.maximum(number, 1), np.nan)


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
    """Returns the end of each trial on an axis, not decreasing.

    Args:
        run: the run.
        axis: ``trials``, ``worker_seconds`` (time of all workers on the trials finished so far) or
            ``elapsed_seconds``.

    Raises:
        ValueError: if the run has no such axis.
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


def _follow(values: FloatArray, incumbents: IntArray) -> FloatArray:
    return np.where(incumbents < 0, np.nan, values[np.maximum(incumbents, 0)])
