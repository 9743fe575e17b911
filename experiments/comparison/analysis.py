"""Strategies compared, as plain data for JSON: every number that the figures and the report show.

What is compared is the incumbent, chosen by validation accuracy alone: its test accuracy where all runs have one, else
its validation accuracy; where a run has no success yet, it counts as 0, so that no run is left out for its failures.
Accuracies are between 0 and 1, times are in seconds; null stands where there is no number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from experiments.comparison import statistics
from experiments.comparison.curve_bands import BAND_RESAMPLES, curves_with_bands
from experiments.comparison.curves import CACHED, SUCCESS, FloatArray, Run, Strategy, at, positions
from experiments.comparison.statistics import Interval
from experiments.comparison.verdict import notes, verdict

CHECKPOINTS = (0.1, 0.25, 0.5, 1.0)
AXES = ("trials", "worker_seconds", "elapsed_seconds")
NUM_BEST = 3
MOST_DOTS = 5000
"""Up to so many trials, each is kept as a dot of the figures."""


def compare_strategies(strategies: Sequence[Strategy], *, seed: int = 0) -> dict[str, Any]:
    """Compares strategies by their curves, and tests their differences at checkpoints of the budget.

    The budget is what all runs have spent. The rank test compares each pair of strategies at 10, 25, 50 and 100 % of
    the trials, and at the end of the budget in seconds; all its p-values are corrected together.

    Args:
        strategies: one or more, of different names; tests need two runs a strategy.
        seed: of the bootstrap.

    Returns:
        Plain data, see the keys: ``measure``, ``budget``, ``strategies`` (each with runs, curves, trials, cost, area
        under the curve, gain over random), ``tests``, ``verdict`` and ``notes`` (sentences).

    Raises:
        ValueError: if there is no strategy, or two share a name.
    """
    names = [strategy.name for strategy in strategies]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"strategies must be one or more, of different names, got {', '.join(names) or 'none'}")
    runs = [run for strategy in strategies for run in strategy.runs]
    budget = {axis: min(float(positions(run, axis)[-1]) for run in runs) for axis in AXES if _has_axis(runs, axis)}
    measure = "incumbent_test" if all(run.test is not None for run in runs) else "incumbent"
    judge = _Judge(measure, budget, seed)
    described = [
        judge.describe(strategy, dots=sum(run.num_trials for run in runs) <= MOST_DOTS) for strategy in strategies
    ]
    random = [strategy for strategy in strategies if is_random(strategy)]
    for strategy, target in zip(strategies, described, strict=True):
        target["gain_over_random"] = judge.gain(strategy, random[0]) if random else None
    tests = judge.tests(strategies)
    comparison = {
        "format": 1,
        "measure": measure,
        "budget": budget,
        "statistics": {
            "confidence": statistics.CONFIDENCE,
            "power": statistics.POWER,
            "resamples_of_bands": BAND_RESAMPLES,
            "resamples_of_intervals": statistics.NUM_RESAMPLES,
            "seed": seed,
        },
        "random_architecture": _random_accuracy(random[0], measure) if random else None,
        "strategies": described,
        "tests": tests,
    }
    comparison |= {"verdict": verdict(comparison), "notes": notes(comparison)}
    return _plain(comparison)  # type: ignore[no-any-return]


def is_random(strategy: Strategy) -> bool:
    """Whether a strategy is random search: by the name of its controller, else by its own."""
    return bool(strategy.settings.get("name", strategy.name) == "random")


class _Judge:
    """What all strategies are measured by."""

    def __init__(self, measure: str, budget: dict[str, float], seed: int) -> None:
        self._measure = measure
        self._budget = budget
        self._seed = seed

    def describe(self, strategy: Strategy, *, dots: bool) -> dict[str, Any]:
        """Everything about one strategy that needs no other."""
        finals = self._values(strategy, "trials", self._budget["trials"])
        return {
            "name": strategy.name,
            "settings": dict(strategy.settings),
            "num_runs": len(strategy.runs),
            "random": is_random(strategy),
            "final": _accuracy(statistics.bootstrap_interval(finals, seed=self._seed)),
            "final_iqm": _accuracy(
                statistics.bootstrap_interval(finals, statistics.interquartile_mean, seed=self._seed)
            ),
            "area_under_curve": {axis: self._area(strategy, axis) for axis in self._budget},
            "trials": _count(strategy.runs),
            "cost": _cost(strategy.runs),
            "best": _best(strategy),
            "curves": {axis: curves_with_bands(strategy, axis, seed=self._seed) for axis in self._budget},
            "runs": [_describe_run(run, final, dots=dots) for run, final in zip(strategy.runs, finals, strict=True)],
        }

    def gain(self, strategy: Strategy, random: Strategy) -> dict[str, float]:
        """Relative gain of the final incumbents over the mean random architecture (1912.12522, section 3.1)."""
        base = _random_accuracy(random, self._measure)
        finals = self._values(strategy, "trials", self._budget["trials"])
        return _interval(statistics.bootstrap_interval((finals - base) / base, seed=self._seed))

    def tests(self, strategies: Sequence[Strategy]) -> list[dict[str, Any]]:
        """All tests that can be made, at each checkpoint for each pair, corrected together.

        On the axes of seconds the end is the only checkpoint: with more, five seeds a strategy could show nothing.
        """
        rows = [
            self._test(pair, axis, share)
            for axis in self._budget
            for share in (CHECKPOINTS if axis == "trials" else CHECKPOINTS[-1:])
            for pair in combinations([strategy for strategy in strategies if len(strategy.runs) > 1], 2)
        ]
        for row, corrected in zip(rows, statistics.holm([row["p"] for row in rows]), strict=True):
            row |= {"p_holm": corrected, "shown": corrected < 1 - statistics.CONFIDENCE}
        return rows

    def _test(self, pair: tuple[Strategy, Strategy], axis: str, share: float) -> dict[str, Any]:
        point = share * self._budget[axis]
        if axis == "trials":
            point = float(max(1, round(point)))
        first, second = (self._values(strategy, axis, point) for strategy in pair)
        improvement = statistics.probability_of_improvement(first, second, seed=self._seed)
        u, p = statistics.mann_whitney(first, second)
        return {
            "axis": axis,
            "share": share,
            "point": point,
            "first": pair[0].name,
            "second": pair[1].name,
            "means": [float(first.mean()), float(second.mean())],
            "difference": _interval(statistics.difference(first, second, seed=self._seed)),
            "probability_of_improvement": _interval(improvement),
            "u": u,
            "p": p,
            "seeds_needed": statistics.seeds_needed(improvement.value),
        }

    def _values(self, strategy: Strategy, axis: str, point: float) -> FloatArray:
        """The measure of each run at one point of an axis; 0 where it has no success yet."""
        points = np.array([point])
        found = [at(run.curves[self._measure], positions(run, axis), points)[0] for run in strategy.runs]
        return np.array(np.nan_to_num(found))

    def _area(self, strategy: Strategy, axis: str) -> dict[str, float]:
        """Mean of the measure over the budget, from each run's first success: the normalized area under the curve."""
        held = 1.0 if axis == "trials" else 0.0  # the value after a trial stands for that trial
        areas = [
            _area(run.curves[self._measure], positions(run, axis) - held, self._budget[axis]) for run in strategy.runs
        ]
        return _accuracy(statistics.bootstrap_interval(np.array(areas), seed=self._seed))


def _has_axis(runs: Sequence[Run], axis: str) -> bool:
    """Whether all runs have it, and it says something of its own: with one worker its time is the time on the clock."""
    if axis == "elapsed_seconds":
        clocks = [(run.elapsed_seconds, positions(run, "worker_seconds")) for run in runs]
        return all(clock is not None for clock, _ in clocks) and not all(
            np.allclose(clock, spent, rtol=1e-9) for clock, spent in clocks if clock is not None
        )
    return all(float(positions(run, axis)[-1]) > 0 for run in runs)


def _area(curve: FloatArray, places: FloatArray, end: float) -> float:
    """A value holds from its place to the next one; 0 for a run without a success."""
    inside = (places <= end * (1 + 1e-12)) & ~np.isnan(curve)
    if not inside.any():
        return 0.0
    values, starts = curve[inside], places[inside]
    widths = np.diff(np.append(starts, max(end, starts[-1])))
    if widths.sum() == 0:
        return float(values[-1])
    return float((values * widths).sum() / widths.sum())


def _random_accuracy(random: Strategy, measure: str) -> float:
    columns = [run.test if measure == "incumbent_test" else run.accuracy for run in random.runs]
    known = np.concatenate([column[~np.isnan(column)] for column in columns if column is not None])
    return float(known.mean()) if known.size else math.nan


def _count(runs: Sequence[Run]) -> dict[str, Any]:
    counts = Counter(status for run in runs for status in run.status_of_trials)
    return {
        "total": counts.total(),
        "trained": counts.pop(SUCCESS, 0),
        "cached": counts.pop(CACHED, 0),
        "duplicates": sum(run.num_duplicates for run in runs),
        "failed": dict(sorted(counts.items())),
    }


def _cost(runs: Sequence[Run]) -> dict[str, float]:
    totals = [float(run.seconds.sum()) for run in runs]
    failed = sum(float(run.seconds[np.isnan(run.accuracy)].sum()) for run in runs)
    trials = sum(run.num_trials for run in runs)
    return {
        "worker_seconds": sum(totals),
        "worker_seconds_of_failures": failed,
        "worker_seconds_a_run": sum(totals) / len(totals),
        "worker_seconds_a_trial": sum(totals) / trials,
    }


def _best(strategy: Strategy) -> list[dict[str, Any]]:
    """The best different architectures over all runs, by validation accuracy."""
    found = [(run, int(index)) for run in strategy.runs for index in run.best(NUM_BEST)]
    chosen: dict[str, dict[str, Any]] = {}
    for run, index in sorted(found, key=lambda pair: -float(pair[0].accuracy[pair[1]])):
        fingerprint = None if run.fingerprints is None else run.fingerprints[index]
        entry = {
            "run": run.name,
            "place": index + 1,
            "accuracy": float(run.accuracy[index]),
            "test": None if run.test is None else float(run.test[index]),
            "fingerprint": fingerprint,
        }
        chosen.setdefault(fingerprint or f"{run.name} {index}", entry)
    return list(chosen.values())[:NUM_BEST]


def _describe_run(run: Run, final: float, *, dots: bool) -> dict[str, Any]:
    described = {
        "name": run.name,
        "num_trials": run.num_trials,
        "final": float(final),
        "incumbent_validation": float(np.max(run.firsts[~np.isnan(run.firsts)], initial=0.0)),
        "worker_seconds": float(run.seconds.sum()),
        "trials": _count([run]),
    }
    return described | {"accuracy": run.accuracy, "seconds": run.seconds} if dots else described


def _accuracy(interval: Interval) -> dict[str, float]:
    """An interval of accuracies ends where accuracies end."""
    return {key: float(np.clip(value, 0, 1)) for key, value in _interval(interval).items()}


def _interval(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _plain(value: Any) -> Any:  # noqa: ANN401 - nested plain data
    """Arrays to lists, numbers to seven digits, what is not finite to None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
