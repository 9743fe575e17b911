"""What a tournament says: the final order, how well the search had foretold it, and whether choosing was worth it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from experiments.comparison.statistics import CONFIDENCE, Interval, difference, mann_whitney, probability_of_improvement
from workers.tune.tournament import Standing

PRECISION_AT = (1, 3, 5)
_LEAST_FOR_INTERVAL = 5
_KENDALL_VARIANCE = (
    0.437  # of atanh(tau) times n - 4: Fieller, Hartley and Pearson (1957), doi 10.1093/biomet/44.3-4.470
)


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who was sent to a tournament, and why.

    Attributes:
        name: of the candidate.
        trial: its number in the search.
        chosen: whether it is there for its reward; the others were drawn at random, as a control.
        proxy: its reward in the search.
    """

    name: str
    trial: int
    chosen: bool
    proxy: float


def judge(entrants: Sequence[Entrant], standings: Sequence[Standing], *, epochs: int, seed: int = 0) -> dict[str, Any]:
    """Compares what a search had said of its cells with what became of them in a tournament.

    Args:
        entrants: all that took part.
        standings: of all of them, the winner first.
        epochs: the full budget of one candidate.
        seed: of the bootstrap.

    Returns:
        Plain data: ``ranking``, ``epochs`` (used, and of all in full), ``correlation`` (Kendall's tau between proxy and
        final order, over all, the chosen and the random ones; null where it is not defined), ``precision`` (the share
        of the k finally best that were among the k best by proxy) and ``chosen_against_random`` (null without a
        control).
    """
    by_name = {entrant.name: entrant for entrant in entrants}
    ordered = [by_name[standing.name] for standing in standings]
    return {
        "ranking": [_row(place, by_name[standing.name], standing) for place, standing in enumerate(standings, start=1)],
        "epochs": {
            "used": sum(len(standing.accuracies) for standing in standings),
            "in_full": epochs * len(standings),
        },
        "correlation": {
            name: _as_json(kendall([entrant.proxy for entrant in group], list(range(len(group), 0, -1))))
            for name, group in (
                ("all", ordered),
                ("chosen", [entrant for entrant in ordered if entrant.chosen]),
                ("random", [entrant for entrant in ordered if not entrant.chosen]),
            )
        },
        "precision": _precision(ordered),
        "chosen_against_random": _chosen_against_random(ordered, standings, seed=seed),
    }


def kendall(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Kendall's tau-b between two orders, with a 95 % interval.

    The interval is that of Fisher's transformation with the variance of Fieller, Hartley and Pearson (1957). There is
    none for fewer than five pairs, nor where the orders agree or disagree completely; NaN where nothing can be said.
    """
    if len(first) < 2:
        return Interval(math.nan, math.nan, math.nan)
    tau = round(float(stats.kendalltau(first, second).statistic), 12)
    if len(first) < _LEAST_FOR_INTERVAL or not abs(tau) < 1:
        return Interval(tau, math.nan, math.nan)
    width = stats.norm.ppf((1 + CONFIDENCE) / 2) * math.sqrt(_KENDALL_VARIANCE / (len(first) - 4))
    return Interval(tau, math.tanh(math.atanh(tau) - width), math.tanh(math.atanh(tau) + width))


def verdict(judged: Mapping[str, Any]) -> list[str]:
    """What follows from it, in sentences."""
    used, in_full = judged["epochs"]["used"], judged["epochs"]["in_full"]
    winner = judged["ranking"][0]
    came = "chosen for its reward" if winner["chosen"] else "a random pick"
    sentences = [
        f"Trial {winner['trial']}, {came}, won with {winner['accuracy']:.2%} of validation accuracy.",
        f"{used} epochs were trained, {used / in_full:.0%} of the {in_full} that all in full would take.",
        _about_correlation(judged["correlation"]["all"]),
    ]
    if (against := judged["chosen_against_random"]) is not None:
        sentences.append(_about_chosen(against))
    return sentences


def _row(place: int, entrant: Entrant, standing: Standing) -> dict[str, Any]:
    return {
        "place": place,
        "name": entrant.name,
        "trial": entrant.trial,
        "chosen": entrant.chosen,
        "proxy": entrant.proxy,
        "epochs": len(standing.accuracies),
        "accuracy": standing.accuracies[-1] if standing.accuracies else None,
        "accuracies": list(standing.accuracies),
        "error": standing.error,
    }


def _precision(ordered: Sequence[Entrant]) -> dict[str, float]:
    num_chosen = sum(entrant.chosen for entrant in ordered)
    by_proxy = sorted(ordered, key=lambda entrant: -entrant.proxy)
    found = {}
    for count in sorted({*PRECISION_AT, num_chosen}):
        if 0 < count < len(ordered):
            both = {entrant.name for entrant in ordered[:count]} & {entrant.name for entrant in by_proxy[:count]}
            found[str(count)] = len(both) / count
    return found


def _chosen_against_random(
    ordered: Sequence[Entrant], standings: Sequence[Standing], *, seed: int
) -> dict[str, Any] | None:
    """Final places, and accuracies after the last epoch that all of them reached."""
    heights = np.arange(len(ordered), 0.0, -1.0)  # the winner's is the greatest
    chosen = np.array([entrant.chosen for entrant in ordered])
    if chosen.all() or not chosen.any():
        return None
    u, p = mann_whitney(heights[chosen], heights[~chosen])
    shared = min((len(standing.accuracies) for standing in standings if standing.error is None), default=0)
    gain = None
    if shared:
        sound = [
            (entrant.chosen, standing.accuracies[shared - 1])
            for entrant, standing in zip(ordered, standings, strict=True)
            if standing.error is None
        ]
        groups = [np.array([value for of, value in sound if of == wanted]) for wanted in (True, False)]
        if all(group.size for group in groups):
            gain = _as_json(difference(groups[0], groups[1], seed=seed))
    return {
        "better": _as_json(probability_of_improvement(heights[chosen], heights[~chosen], seed=seed)),
        "u": u,
        "p": p,
        "shared_epochs": shared,
        "gain_at_shared_epochs": gain,
    }


def _about_correlation(tau: Mapping[str, float | None] | None) -> str:
    if tau is None or tau["value"] is None:
        return "Whether the search had foretold the order cannot be said with so few candidates."
    told = "Kendall's tau between the search's order and the final one is"
    if tau["low"] is None:
        return f"{told} {tau['value']:.2f}, without an interval."
    return f"{told} {tau['value']:.2f} (95 % interval {tau['low']:.2f} to {tau['high']:.2f})."


def _about_chosen(against: Mapping[str, Any]) -> str:
    shown = against["p"] < 1 - CONFIDENCE
    way = "above" if against["better"]["value"] > 0.5 else "below"
    found = f"The chosen end {way} the random picks" if shown else "The chosen cannot be told from the random picks"
    share = against["better"]["value"]
    return f"{found}: of all pairs the chosen one ends above in {share:.0%}, p = {against['p']:.2g}."


def _as_json(interval: Interval) -> dict[str, float | None]:
    values = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {name: None if math.isnan(value) else value for name, value in values.items()}
