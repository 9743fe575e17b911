"""The result of a comparison: every number that the figures, the report and comparison.json show.

Accuracies are between 0 and 1, times are in seconds; NaN (null in JSON) where there is no number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.comparison.norm_usage import StageNorms
from experiments.comparison.plain_data import OPTIONAL, to_plain
from experiments.comparison.statistics import (
    BAND_RESAMPLES,
    CONFIDENCE,
    NUM_RESAMPLES,
    POWER,
    Band,
    FloatArray,
    Interval,
)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One curve of several runs: mean and interquartile mean over runs, with bootstrap bands."""

    mean: Band
    iqm: Band


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """All curves of a strategy at points of one axis, by name, see `experiments.comparison.curves.Run.curves`."""

    points: FloatArray
    by_name: Mapping[str, Curve]

    def json_items(self) -> dict[str, Any]:
        """The points and the curves side by side."""
        return {"points": self.points, **self.by_name}


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """Numbers of trials.

    `distinct` is the number of different architectures that were measured, in each run; `duplicates` are trials of an
    architecture measured before, `failed` is by kind of failure.
    """

    total: int
    trained: int
    cached: int
    distinct: int
    duplicates: int
    failed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the workers: in total, on failed trials, and the means per run and per trial."""

    worker_seconds: float
    worker_seconds_of_failures: float
    worker_seconds_a_run: float
    worker_seconds_a_trial: float


@dataclass(frozen=True, slots=True)
class BestArchitecture:
    """One of the best architectures of a strategy, with its run and its place in the order of finishing, from 1."""

    run: str
    place: int
    accuracy: float
    test: float | None
    fingerprint: str | None
    trial: int | None = field(default=None, metadata=OPTIONAL)
    architecture: Any = field(default=None, metadata=OPTIONAL)
    num_parameters: int | None = field(default=None, metadata=OPTIONAL)
    num_multiply_adds: int | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, slots=True, eq=False)
class RunSummary:
    """One run: the measure at the end of the budget, and its incumbent's validation accuracy (0 without a success).

    `accuracy` and `seconds` of each trial are None if there are too many trials to draw.
    """

    name: str
    num_trials: int
    final: float
    incumbent_validation: float
    worker_seconds: float
    trials: TrialCounts
    accuracy: FloatArray | None = field(default=None, metadata=OPTIONAL)
    seconds: FloatArray | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, slots=True, eq=False)
class StrategySummary:
    """All runs of one strategy.

    Attributes:
        final: mean of the measure over runs at the end of the budget; `final_iqm` is the interquartile mean.
        area_under_curve: by axis, the mean of the measure over the budget.
        best: best distinct architectures by the reward of the search, best first.
        gain_over_random: relative gain over the mean random architecture; None without random search.
    """

    name: str
    settings: Mapping[str, Any]
    num_runs: int
    random: bool
    final: Interval
    final_iqm: Interval
    area_under_curve: Mapping[str, Interval]
    trials: TrialCounts
    cost: Cost
    best: tuple[BestArchitecture, ...]
    curves: Mapping[str, Curves]
    runs: tuple[RunSummary, ...]
    gain_over_random: Interval | None = None
    norms: tuple[StageNorms, ...] | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, slots=True)
class PairTest:
    """The rank test of two strategies at one checkpoint of the budget.

    Attributes:
        share: of the budget on the axis, 0..1; `point` is the same in units of the axis.
        difference: mean of the first strategy minus mean of the second.
        u: Mann-Whitney's U of the first, with the two-sided p-value `p`, corrected for all tests as `p_holm`.
        shown: whether the corrected p-value is significant.
    """

    axis: str
    share: float
    point: float
    first: str
    second: str
    means: tuple[float, float]
    difference: Interval
    probability_of_improvement: Interval
    u: float
    p: float
    seeds_needed: int | None
    p_holm: float = 1.0
    shown: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ReachedCurve:
    """Share of runs that have reached the target at points of an axis (Kaplan and Meier), a step curve."""

    points: FloatArray
    share: FloatArray


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """How soon the runs of a strategy reach the target on an axis.

    Attributes:
        num_reached: number of runs that reach it within the budget; the others are censored there.
        mean: of the place where they do, counted as the budget where they do not.
        median: place where half of the runs have reached it; None if fewer do.
    """

    name: str
    axis: str
    num_runs: int
    num_reached: int
    mean: Interval
    median: float | None
    curve: ReachedCurve


@dataclass(frozen=True, slots=True)
class TargetTest:
    """The log-rank test of two strategies on an axis, with its p-value corrected for all of them as `p_holm`."""

    axis: str
    first: str
    second: str
    p: float
    p_holm: float = 1.0
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Targets:
    """How soon strategies reach a validation accuracy: the best known of all runs, or a given one."""

    accuracy: float
    best_known: bool
    strategies: tuple[TargetSummary, ...]
    tests: tuple[TargetTest, ...]


@dataclass(frozen=True, slots=True)
class Procedure:
    """Constants of the statistics."""

    seed: int
    confidence: float = CONFIDENCE
    power: float = POWER
    resamples_of_bands: int = BAND_RESAMPLES
    resamples_of_intervals: int = NUM_RESAMPLES


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is not the same for all runs: its values by run, None where it is not set."""

    key: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of several runs by dotted key: those that all have in common, and those that differ."""

    common: Mapping[str, Any]
    differing: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A comparison of strategies.

    Attributes:
        measure: the curve that is compared: ``incumbent_test`` or ``incumbent``.
        budget: by axis, what all runs have spent.
        random_architecture: mean accuracy of random architectures; None without random search, NaN if all failed.
        verdict: conclusions, sentences; `notes` are the limitations.
        objections: why the runs are not comparable, if the comparison was forced.
    """

    format: int = 1
    measure: str
    budget: Mapping[str, float]
    statistics: Procedure
    random_architecture: float | None
    strategies: tuple[StrategySummary, ...]
    tests: tuple[PairTest, ...]
    targets: Targets | None = field(default=None, metadata=OPTIONAL)
    verdict: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    objections: tuple[str, ...] | None = field(default=None, metadata=OPTIONAL)
    configuration: Settings | None = field(default=None, metadata=OPTIONAL)
    environment: Settings | None = field(default=None, metadata=OPTIONAL)
    files: tuple[str, ...] | None = field(default=None, metadata=OPTIONAL)

    def to_json(self) -> dict[str, Any]:
        """Returns plain data, with floats of seven digits."""
        return dict(to_plain(self, digits=7))

    def with_best(self, describe: Callable[[BestArchitecture], BestArchitecture]) -> Comparison:
        """Returns the same comparison with each of the best architectures described further."""
        strategies = (replace(each, best=tuple(map(describe, each.best))) for each in self.strategies)
        return replace(self, strategies=tuple(strategies))
