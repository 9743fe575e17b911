"""Trials and time until a target accuracy is reached: censored runs, Kaplan-Meier curves and log-rank tests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy import stats

from experiments.comparison import statistics
from experiments.comparison.curves import Run, Strategy, positions
from experiments.comparison.results import ReachedCurve, Targets, TargetSummary, TargetTest
from experiments.comparison.statistics import FloatArray


def reach_targets(
    strategies: Sequence[Strategy], budget: dict[str, float], target: float | None = None, *, seed: int
) -> Targets:
    """Compares how soon strategies reach a target.

    A run reaches it with the first trial whose incumbent has it; the incumbent follows the reward of the search, so a
    lucky test accuracy reaches nothing. Runs that do not reach it within the budget are censored there.

    Args:
        strategies: see `experiments.comparison.analysis.compare_strategies`.
        budget: by axis, what all runs have spent.
        target: validation accuracy, 0..1; None takes the largest that any incumbent of all runs has.
        seed: of the bootstrap.
    """
    everything = [run for strategy in strategies for run in strategy.runs]
    is_best_known = target is None
    if target is None:
        target = max((float(np.nanmax(run.curves["incumbent"], initial=0.0)) for run in everything), default=0.0)
    summaries, tests = [], []
    for axis, end in budget.items():
        reached = [_reached(strategy.runs, axis, target, end) for strategy in strategies]
        summaries += [
            _summarize(strategy.name, axis, times, found, end, seed)
            for strategy, (times, found) in zip(strategies, reached, strict=True)
        ]
        groups = [
            (strategy.name, times, found)
            for strategy, (times, found) in zip(strategies, reached, strict=True)
            if len(times) > 1
        ]
        tests += [
            TargetTest(axis, first, second, _log_rank(ours, theirs))
            for (first, *ours), (second, *theirs) in combinations(groups, 2)
        ]
    corrected = statistics.holm([test.p for test in tests])
    level = 1 - statistics.CONFIDENCE
    return Targets(
        accuracy=target,
        best_known=is_best_known,
        strategies=tuple(summaries),
        tests=tuple(
            TargetTest(test.axis, test.first, test.second, test.p, p, shown=p < level)
            for test, p in zip(tests, corrected, strict=True)
        ),
    )


def _reached(runs: Sequence[Run], axis: str, target: float, end: float) -> tuple[FloatArray, FloatArray]:
    """For each run the place on the axis where it reaches the target, at most the end, and whether it does."""
    times, found = np.full(len(runs), end), np.zeros(len(runs), bool)
    for index, run in enumerate(runs):
        hits = np.flatnonzero(np.nan_to_num(run.curves["incumbent"]) >= target - 1e-12)
        place = float(positions(run, axis)[hits[0]]) if hits.size else np.inf
        if place <= end * (1 + 1e-12):
            times[index], found[index] = place, True
    return times, found


def _censored(times: FloatArray, found: FloatArray) -> stats.CensoredData:
    return stats.CensoredData.right_censored(times, ~np.asarray(found, bool))


def _log_rank(first: Sequence[FloatArray], second: Sequence[FloatArray]) -> float:
    """Two-sided p-value of the log-rank test; 1 where it cannot tell the groups apart, as if no run has the target."""
    with np.errstate(invalid="ignore"):
        result = stats.logrank(_censored(*first), _censored(*second))
    return float(np.nan_to_num(result.pvalue, nan=1.0))


def _summarize(name: str, axis: str, times: FloatArray, found: FloatArray, end: float, seed: int) -> TargetSummary:
    survival = stats.ecdf(_censored(times, found)).sf
    share, points = 1 - survival.probabilities, survival.quantiles
    reached = points[share >= 0.5]
    return TargetSummary(
        name=name,
        axis=axis,
        num_runs=len(times),
        num_reached=int(found.sum()),
        mean=statistics.bootstrap_interval(times, seed=seed),
        median=float(reached[0]) if reached.size else None,
        curve=ReachedCurve(np.array([0.0, *points, end]), np.array([0.0, *share, share[-1]])),
    )
