"""What a comparison says, in sentences: what was shown, what was not, and what a reader must bear in mind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

MEASURES: Mapping[str, str] = {"incumbent": "validation accuracy", "incumbent_test": "test accuracy"}
LABELS: Mapping[str, str] = {
    "evolution": "evolution",
    "ppo": "PPO",
    "random": "random search",
    "reinforce": "REINFORCE",
}
FEW_RUNS = 5
LEVEL = 0.05


def verdict(comparison: Mapping[str, Any]) -> list[str]:
    """What can be said of each pair of strategies after the full budget in trials."""
    strategies = comparison["strategies"]
    if len(strategies) < 2:
        return [f"There is nothing to compare {label(strategies[0]['name'])} with."]
    rows = [row for row in comparison["tests"] if row["axis"] == "trials" and row["share"] == 1]
    sentences = [_tested(row, comparison) for row in rows]
    if single := [label(each["name"]) for each in strategies if each["num_runs"] < 2]:
        sentences.append(
            f"With one seed of {' and one of '.join(single)}, nothing can be tested about "
            f"{'it' if len(single) == 1 else 'them'}: a curve shows one run, and another seed may turn the order round."
        )
    return [capitalized(sentence) for sentence in sentences]


def notes(comparison: Mapping[str, Any]) -> list[str]:
    """What limits the comparison."""
    strategies, budget, tests = comparison["strategies"], comparison["budget"], comparison["tests"]
    found = []
    if any(run["num_trials"] > budget["trials"] for each in strategies for run in each["runs"]):
        found.append(
            f"Not all runs have equally many trials: tests use the first {budget['trials']:.0f} of each, "
            "curves end with the shortest run of their strategy."
        )
    if few := [label(each["name"]) for each in strategies if 1 < each["num_runs"] < FEW_RUNS]:
        found.append(f"With fewer than {FEW_RUNS} seeds, bands and intervals are wide and rough: {', '.join(few)}.")
    if none := sum(run["incumbent_validation"] == 0 for each in strategies for run in each["runs"]):
        found.append(f"{none} of the runs found nothing, since no trial succeeded: that counts as an accuracy of 0.")
    if comparison["random_architecture"] is None:
        found.append("No random search is among the runs: there is no gain over the mean random architecture.")
    if "worker_seconds" not in budget:
        found.append("The runs hold no training times: nothing is shown against worker-seconds.")
    if any(row["seeds_needed"] is not None for row in tests):
        found.append(
            "Seeds needed are estimated from the difference seen, which is itself uncertain: take them as an order "
            "of magnitude. They hold for a single comparison with a power of 80 %."
        )
    return found + _weak_tests(strategies, len(tests))


def _weak_tests(strategies: Sequence[Mapping[str, Any]], num_tests: int) -> list[str]:
    """Whether the rank test could show anything at all with so few seeds and so many comparisons."""
    sizes = sorted(each["num_runs"] for each in strategies if each["num_runs"] > 1)
    if len(sizes) < 2:
        return []
    least = num_tests * 2 / math.comb(sizes[-1] + sizes[-2], sizes[-1])
    if least < LEVEL:
        return []
    return [
        f"With so few seeds and {num_tests} comparisons, no difference, however large, can be shown: the smallest "
        f"possible p is {min(1.0, least):.2g}."
    ]


def label(name: str) -> str:
    """How prose and figures call a strategy: by its controller's usual name; settings follow after commas."""
    first, *rest = name.replace(":", ", ").split(", ")
    return ", ".join((LABELS.get(first, first), *rest))


def capitalized(text: str) -> str:
    """The text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def points(value: float) -> str:
    """A difference of accuracies in percentage points, with its sign."""
    return f"{100 * value:+.2f}".replace("-", "\N{MINUS SIGN}")


def p_value(value: float) -> str:
    """A p-value as readers expect it."""
    if value < 1e-4:
        return f"< 10^{_exponent(value)}" if value > 0 else "< 10^-300"
    return f"= {value:.2g}" if value < 0.995 else "= 1"


def _exponent(value: float) -> int:
    """The smallest power of ten that is above a value, 10^-300 at the least."""
    exponent = -4
    while value < 10.0 ** (exponent - 1) and exponent > -300:
        exponent -= 1
    return exponent


def _tested(row: Mapping[str, Any], comparison: Mapping[str, Any]) -> str:
    difference = row["difference"]
    better, worse, sign = label(row["first"]), label(row["second"]), 1
    if difference["value"] < 0:
        better, worse, sign = worse, better, -1
    low, high = sorted((sign * difference["low"], sign * difference["high"]))
    size = (
        f"{points(sign * difference['value'])} points of {MEASURES[comparison['measure']]} "
        f"(95 % interval {points(low)} to {points(high)})"
    )
    number = len(comparison["tests"])
    test = f"p {p_value(row['p_holm'])} after correction for {number} comparison{'s' * (number != 1)}"
    after = f"after {row['point']:.0f} trials"
    if row["shown"]:
        return f"{better} beats {worse} {after}: {size}, {test}."
    needed = row["seeds_needed"]
    seeds = "" if needed is None else f" To show a difference of this size takes some {needed} seeds a strategy."
    return f"No difference between {better} and {worse} is shown {after}: {size}, {test}.{seeds}"
