"""Conclusions and limitations of a comparison, as sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.comparison.formatting import (
    CONFIDENCE_INTERVAL,
    MEASURES,
    capitalized,
    interval_text,
    label,
    p_value,
    plural,
)
from experiments.comparison.results import Comparison, PairTest, StrategySummary
from experiments.comparison.statistics import CONFIDENCE, Interval

FEW_RUNS = 5
LEVEL = 1 - CONFIDENCE


def verdict(comparison: Comparison) -> list[str]:
    """States the result of each test after the full budget in trials."""
    strategies = comparison.strategies
    if len(strategies) < 2:
        return [f"{capitalized(label(strategies[0].name))} is the only strategy, so there is no comparison."]
    sentences = [_result(test, comparison) for test in comparison.tests if test.axis == "trials" and test.share == 1]
    if single := [label(each.name) for each in strategies if each.num_runs < 2]:
        sentences.append(
            f"No test is possible for {' and '.join(single)} with a single seed: the order of the curves may change "
            "with another seed."
        )
    return sentences


def notes(comparison: Comparison) -> list[str]:
    """States the limitations of a comparison."""
    strategies, budget = comparison.strategies, comparison.budget
    found = []
    if any(run.num_trials > budget["trials"] for each in strategies for run in each.runs):
        found.append(
            f"The runs differ in their number of trials: tests use the first {budget['trials']:.0f} trials of each, "
            "and curves end with the shortest run of their strategy."
        )
    if few := [label(each.name) for each in strategies if 1 < each.num_runs < FEW_RUNS]:
        found.append(f"Bands and intervals are wide and imprecise with fewer than {FEW_RUNS} seeds: {', '.join(few)}.")
    if failed := sum(run.incumbent_validation == 0 for each in strategies for run in each.runs):
        found.append(f"{plural(failed, 'run')} without any successful trial counted with an accuracy of 0.")
    if comparison.random_architecture is None and comparison.measure != "hypervolume":
        found.append("The gain over the mean random architecture is unknown without a run of random search.")
    if "worker_seconds" not in budget:
        found.append("Comparisons by worker time are omitted, since the runs hold no training times.")
    if any(test.seeds_needed is not None for test in comparison.tests):
        found.append(
            "The number of seeds needed is extrapolated from the observed difference and is an order of magnitude "
            f"only; it applies to a single test with a power of {comparison.statistics.power:.0%}."
        )
    return found + _weak_tests(strategies, len(comparison.tests))


def _weak_tests(strategies: Sequence[StrategySummary], num_tests: int) -> list[str]:
    """Whether the tests could reach significance at all with these numbers of seeds and comparisons."""
    sizes = sorted(each.num_runs for each in strategies if each.num_runs > 1)[-2:]
    least = num_tests * 2 / math.comb(sum(sizes), sizes[-1]) if len(sizes) == 2 else 0.0
    if least < LEVEL:
        return []
    return [
        f"The tests cannot reach significance with these numbers of seeds and {plural(num_tests, 'comparison')}: the "
        f"smallest possible p is {min(1.0, least):.2g}."
    ]


def _result(test: PairTest, comparison: Comparison) -> str:
    difference = test.difference
    better, worse = label(test.first), label(test.second)
    if difference.value < 0:
        better, worse = worse, better
        difference = Interval(-difference.value, -difference.high, -difference.low)
    unit = f" points of {MEASURES[comparison.measure]}"
    size = interval_text(difference, signed=True, unit=unit, prefix=CONFIDENCE_INTERVAL)
    statistics = f"{size}, p {p_value(test.p_holm)} after Holm's correction for {plural(len(comparison.tests), 'test')}"
    after = f"after {test.point:.0f} trials"
    if test.shown:
        return f"{capitalized(better)} outperforms {worse} {after}: {statistics}."
    needed = test.seeds_needed
    seeds = "" if needed is None else f" Detecting this difference would take about {needed} seeds per strategy."
    return f"The difference between {better} and {worse} {after} is not significant: {statistics}.{seeds}"
