"""Compares strategies: summaries of their runs, and rank tests of all pairs at checkpoints of the budget.

The measure is the incumbent, chosen by the reward that the search was told: its test accuracy if all runs have one,
else its validation accuracy. For searches for a front it is the share of the best known hypervolume. It is 0 until the
first success of a run, so that no run is excluded for its failures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from experiments.comparison import statistics
from experiments.comparison.curves import CACHED, SUCCESS, Run, Strategy, at, curves_with_bands, positions
from experiments.comparison.results import (
    BestArchitecture,
    Comparison,
    Cost,
    PairTest,
    Procedure,
    RunSummary,
    StrategySummary,
    TrialCounts,
)
from experiments.comparison.statistics import FloatArray, Interval, Statistic
from experiments.comparison.targets import reach_targets
from experiments.comparison.verdict import notes, verdict

CHECKPOINTS = (0.1, 0.25, 0.5, 1.0)
AXES = ("trials", "worker_seconds", "elapsed_seconds")
NUM_BEST = 3
MAX_DOTS = 5000
"""Up to this number of trials, the figures show each as a dot."""


def compare_strategies(strategies: Sequence[Strategy], *, target: float | None = None, seed: int = 0) -> Comparison:
    """Summarizes strategies and tests their differences at checkpoints of the budget.

    The budget is what all runs have spent. Each pair of strategies with two or more runs is tested at 10, 25, 50 and
    100 % of the trials and at the end of the budget in seconds; all p-values are corrected together. `target` is the
    validation accuracy of `experiments.comparison.targets`; None takes the best known.

    Raises:
        ValueError: if there is no strategy, or two share a name.
    """
    names = [strategy.name for strategy in strategies]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"strategies must be one or more, of distinct names, got {', '.join(names) or 'none'}")
    runs = [run for strategy in strategies for run in strategy.runs]
    budget = {axis: min(float(positions(run, axis)[-1]) for run in runs) for axis in AXES if _has_axis(runs, axis)}
    measure = _measure(runs)
    random = next((strategy for strategy in strategies if is_random(strategy)), None)
    analysis = _Analysis(measure, budget, seed, _random_accuracy(random, measure))
    dots = sum(run.num_trials for run in runs) <= MAX_DOTS
    comparison = Comparison(
        measure=measure,
        budget=budget,
        statistics=Procedure(seed),
        random_architecture=analysis.random_accuracy,
        strategies=tuple(analysis.summarize(strategy, dots=dots) for strategy in strategies),
        tests=analysis.tests(strategies),
        targets=reach_targets(strategies, budget, target, seed=seed),
    )
    return replace(comparison, verdict=tuple(verdict(comparison)), notes=tuple(notes(comparison)))


def is_random(strategy: Strategy) -> bool:
    """Whether a strategy is random search, by the name of its controller if known, else by its own.

    Never repeating an architecture leaves it random; a surrogate does not.
    """
    plain = strategy.settings.get("wrapper.name", "none") in ("none", "fresh")
    return plain and strategy.settings.get("name", strategy.name) == "random"


@dataclass(frozen=True, slots=True)
class _Analysis:
    measure: str
    budget: dict[str, float]
    seed: int
    random_accuracy: float | None

    def summarize(self, strategy: Strategy, *, dots: bool) -> StrategySummary:
        finals = self._values(strategy, "trials", self.budget["trials"])
        base, gain = self.random_accuracy, None
        if base is not None:  # relative to the mean random architecture (1912.12522, section 3.1)
            gain = statistics.bootstrap_interval((finals - base) / base, seed=self.seed)
        return StrategySummary(
            name=strategy.name,
            settings=dict(strategy.settings),
            num_runs=len(strategy.runs),
            random=is_random(strategy),
            final=self._accuracy(finals),
            final_iqm=self._accuracy(finals, statistics.interquartile_mean),
            area_under_curve={axis: self._area(strategy, axis) for axis in self.budget},
            trials=_count(strategy.runs),
            cost=_cost(strategy.runs),
            best=_best(strategy),
            curves={axis: curves_with_bands(strategy, axis, seed=self.seed) for axis in self.budget},
            runs=tuple(_summarize_run(run, final, dots=dots) for run, final in zip(strategy.runs, finals, strict=True)),
            gain_over_random=gain,
        )

    def tests(self, strategies: Sequence[Strategy]) -> tuple[PairTest, ...]:
        """Tests each pair at each checkpoint and corrects all p-values together.

        On axes of seconds the end is the only checkpoint: with more tests, five seeds could not show any difference.
        """
        tests = [
            self._test(pair, axis, share)
            for axis in self.budget
            for share in (CHECKPOINTS if axis == "trials" else CHECKPOINTS[-1:])
            for pair in combinations([strategy for strategy in strategies if len(strategy.runs) > 1], 2)
        ]
        corrected = statistics.holm([test.p for test in tests])
        level = 1 - statistics.CONFIDENCE
        return tuple(replace(test, p_holm=p, shown=p < level) for test, p in zip(tests, corrected, strict=True))

    def _test(self, pair: tuple[Strategy, Strategy], axis: str, share: float) -> PairTest:
        point = share * self.budget[axis]
        if axis == "trials":
            point = float(max(1, round(point)))
        first, second = (self._values(strategy, axis, point) for strategy in pair)
        improvement = statistics.probability_of_improvement(first, second)
        u, p = statistics.mann_whitney(first, second)
        return PairTest(
            axis=axis,
            share=share,
            point=point,
            first=pair[0].name,
            second=pair[1].name,
            means=(float(first.mean()), float(second.mean())),
            difference=statistics.difference(first, second, seed=self.seed),
            probability_of_improvement=improvement,
            u=u,
            p=p,
            seeds_needed=statistics.seeds_needed(improvement.value),
        )

    def _values(self, strategy: Strategy, axis: str, point: float) -> FloatArray:
        """The measure of each run at one point of an axis; 0 before its first success."""
        found = [at(run.curves[self.measure], positions(run, axis), np.array([point]))[0] for run in strategy.runs]
        return np.array(np.nan_to_num(found))

    def _area(self, strategy: Strategy, axis: str) -> Interval:
        """Mean of the measure over the budget, from each run's first success: the normalized area under the curve."""
        held, end = float(axis == "trials"), self.budget[axis]  # the value after a trial counts for that trial
        areas = [_area(run.curves[self.measure], positions(run, axis) - held, end) for run in strategy.runs]
        return self._accuracy(np.array(areas))

    def _accuracy(self, values: FloatArray, statistic: Statistic = statistics.mean) -> Interval:
        """An interval of accuracies, clipped to 0..1."""
        found = statistics.bootstrap_interval(values, statistic, seed=self.seed)
        return found.map(lambda value: float(np.clip(value, 0, 1)))


def _has_axis(runs: Sequence[Run], axis: str) -> bool:
    """Whether all runs have the axis, and it differs from the others: with one worker, both times are the same."""
    if axis == "elapsed_seconds":
        clocks = [(run.elapsed_seconds, positions(run, "worker_seconds")) for run in runs]
        return all(clock is not None for clock, _ in clocks) and not all(
            np.allclose(clock, spent, rtol=1e-9) for clock, spent in clocks if clock is not None
        )
    return all(float(positions(run, axis)[-1]) > 0 for run in runs)


def _area(curve: FloatArray, places: FloatArray, end: float) -> float:
    """Mean of a step curve, whose values hold from their place to the next; 0 for a run without a success."""
    inside = (places <= end * (1 + 1e-12)) & ~np.isnan(curve)
    if not inside.any():
        return 0.0
    values, starts = curve[inside], places[inside]
    widths = np.diff(np.append(starts, max(end, starts[-1])))
    if widths.sum() == 0:
        return float(values[-1])
    return float((values * widths).sum() / widths.sum())


def _measure(runs: Sequence[Run]) -> str:
    if all(run.hypervolume is not None for run in runs):
        return "hypervolume"
    return "incumbent_test" if all(run.test is not None for run in runs) else "incumbent"


def _random_accuracy(random: Strategy | None, measure: str) -> float | None:
    """Mean accuracy of random architectures; None if unknown, or if fronts are compared."""
    if random is None or measure == "hypervolume":
        return None
    columns = [run.test if measure == "incumbent_test" else run.accuracy for run in random.runs]
    known = np.concatenate([column[~np.isnan(column)] for column in columns if column is not None])
    return float(known.mean()) if known.size else math.nan


def _count(runs: Sequence[Run]) -> TrialCounts:
    counts = Counter(status for run in runs for status in run.status_of_trials)
    return TrialCounts(
        total=counts.total(),
        trained=counts.pop(SUCCESS, 0),
        cached=counts.pop(CACHED, 0),
        distinct=sum(run.num_distinct for run in runs),
        duplicates=sum(run.num_duplicates for run in runs),
        failed=dict(sorted(counts.items())),
    )


def _cost(runs: Sequence[Run]) -> Cost:
    total = sum(float(run.seconds.sum()) for run in runs)
    failed = sum(float(run.seconds[np.isnan(run.accuracy)].sum()) for run in runs)
    return Cost(total, failed, total / len(runs), total / sum(run.num_trials for run in runs))


def _best(strategy: Strategy) -> tuple[BestArchitecture, ...]:
    """The best distinct architectures over all runs, by the reward that the search was told."""
    found = [(run, int(index)) for run in strategy.runs for index in run.best(NUM_BEST)]
    chosen: dict[str, BestArchitecture] = {}
    for run, index in sorted(found, key=lambda pair: -float(pair[0].firsts[pair[1]])):
        fingerprint = None if run.fingerprints is None else run.fingerprints[index]
        test = None if run.test is None else float(run.test[index])
        best = BestArchitecture(run.name, index + 1, float(run.accuracy[index]), test, fingerprint)
        chosen.setdefault(fingerprint or f"{run.name} {index}", best)
    return tuple(chosen.values())[:NUM_BEST]


def _summarize_run(run: Run, final: float, *, dots: bool) -> RunSummary:
    return RunSummary(
        name=run.name,
        num_trials=run.num_trials,
        final=float(final),
        incumbent_validation=float(np.nan_to_num(run.curves["incumbent"][-1])),
        worker_seconds=float(run.seconds.sum()),
        trials=_count([run]),
        accuracy=run.accuracy if dots else None,
        seconds=run.seconds if dots else None,
    )
