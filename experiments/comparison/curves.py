"""Curves of runs: what has been found after so many trials, or after so many seconds of the workers' time.

A run is plain arrays, one entry a finished trial in the order of finishing, whether it was trained or looked up.
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
LEAST_IN_WINDOW = 5
TOPS = (1, 5, 25)
"""NASNet compares random search and reinforcement learning by the best, top 5 and top 25 (1707.07012, figure 6)."""
SUCCESS, CACHED = "success", "cached"


@dataclass(frozen=True)
class Run:
    """One run of one controller: arrays of one length, one entry a finished trial, in the order of finishing.

    Attributes:
        name: tells it from the other runs, such as its folder or its seed.
        accuracy: on the validation split, 0..1; NaN for a failure.
        seconds: of a worker that each trial took; 0 where it was taken from the cache.
        test: test accuracy, 0..1, which nothing was chosen by; None where it was not measured.
        reward: of each success, NaN for a failure. None: the accuracy.
        fingerprints: the architecture of each trial, so that one proposed twice counts once; None: all differ.
        statuses: ``success``, ``cached`` or the kind of failure; None: taken from the accuracy.
        elapsed_seconds: when each trial finished on the clock of the run, not falling; None where there is no such
            clock, or it had breaks.
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
        """How many trials are finished."""
        return len(self.accuracy)

    @cached_property
    def firsts(self) -> FloatArray:
        """Accuracies, those of architectures measured before left out (NaN), so that no lucky repeat counts."""
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
        """How many successes are of an architecture that an earlier trial had measured."""
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
        """Its curves against trials, see `measures`."""
        return measures(self)

    def best(self, count: int) -> IntArray:
        """Indices of the best different architectures by validation accuracy, best first, of equal ones the earlier."""
        order = np.argsort(-self.firsts, kind="stable")  # NaN sorts last
        return np.asarray(order[: min(count, int((~np.isnan(self.firsts)).sum()))])


@dataclass(frozen=True)
class Strategy:
    """One way to search, and its independent runs.

    Attributes:
        name: shown in figures and tables.
        runs: one or more, each with its own seed.
        settings: what makes it this strategy, shown in the report.
    """

    name: str
    runs: tuple[Run, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError(f"strategy {self.name} must have at least one run")


def measures(run: Run) -> dict[str, FloatArray]:
    """The curves of one run against trials, by name: one value after each trial, NaN where there is none yet.

    ``incumbent`` is the best validation accuracy so far, ``incumbent_test`` the test accuracy of that same trial,
    ``moving_mean`` the mean validation accuracy of the last 25 trials, ``moving_reward`` their mean reward where that
    is something else, ``top_5`` the mean validation accuracy of the five best different architectures so far.
    """
    curves = {"incumbent": _follow(run.accuracy, run.incumbents)}
    if run.test is not None:
        curves["incumbent_test"] = _follow(run.test, run.incumbents)
    curves["moving_mean"] = moving_mean(run.accuracy)
    if run.reward is not None:
        curves["moving_reward"] = moving_mean(run.reward)
    return curves | {f"top_{count}": curve for count, curve in top_means(run.firsts, TOPS).items()}


def moving_mean(values: FloatArray, *, window: int = WINDOW) -> FloatArray:
    """Mean of the last values of a sequence, NaNs left out; NaN where fewer than five are there."""
    known = ~np.isnan(values)
    sums, counts = (
        np.concatenate([[0.0], np.cumsum(column)]) for column in (np.where(known, values, 0.0), known.astype(float))
    )
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    number = counts[ends] - counts[starts]
    enough = number >= min(LEAST_IN_WINDOW, window)
    return np.where(enough, (sums[ends] - sums[starts]) / np.maximum(number, 1), np.nan)


def top_means(values: FloatArray, counts: Sequence[int]) -> dict[int, FloatArray]:
    """Mean of the so many best values so far, NaNs left out; NaN until there are so many."""
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
    """Where each trial of a run ends on an axis, not falling.

    Args:
        run: the run.
        axis: ``trials``; ``worker_seconds``, the workers' time spent on all trials finished so far; or
            ``elapsed_seconds``, the run's own clock.

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
    """Reads a curve that changes at given places (as from `positions`), at other points of the axis.

    The value at a point is that after the last trial that ends there or before; NaN before the first.
    """
    index = np.searchsorted(places, points * (1 + 1e-12), side="right") - 1
    return np.where(index < 0, np.nan, curve[np.maximum(index, 0)])


def _follow(values: FloatArray, incumbents: IntArray) -> FloatArray:
    return np.where(incumbents < 0, np.nan, values[np.maximum(incumbents, 0)])
