"""The result of a tournament: its order, how well the search predicted it, and whether selection helped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.comparison.formatting import CONFIDENCE_INTERVAL, interval_text
from experiments.comparison.plain_data import PlainData
from experiments.comparison.statistics import (
    CONFIDENCE,
    TAILS,
    Interval,
    difference,
    mann_whitney,
    probability_of_improvement,
)
from workers.tune.tournament import Standing

PRECISION_AT = (1, 3, 5)
_MIN_FOR_INTERVAL = 5
_KENDALL_VARIANCE = 0.437
"""Of atanh(tau) times n - 4: Fieller, Hartley and Pearson (1957), doi 10.1093/biomet/44.3-4.470."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A trial that was selected for a tournament.

    Attributes:
        chosen: whether it was selected for its reward; the others are a random control group.
        proxy: its reward in the search.
    """

    name: str
    trial: int
    chosen: bool
    proxy: float


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one candidate, see `Entrant`, with its validation accuracy after each epoch and after the last."""

    place: int
    name: str
    trial: int
    chosen: bool
    proxy: float
    epochs: int
    accuracy: float | None
    accuracies: tuple[float, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class GroupTest:
    """The rank test (Mann-Whitney's U) of the selected candidates against the random ones.

    Attributes:
        better: chance that a selected candidate places above a random one.
        gain_at_shared_epochs: difference of mean accuracies after the epochs that all candidates reached, if any.
    """

    better: Interval
    u: float
    p: float
    shared_epochs: int
    gain_at_shared_epochs: Interval | None


@dataclass(frozen=True, slots=True)
class TournamentResult(PlainData):
    """The result of a tournament; the winner is first in the ranking.

    Attributes:
        epochs: ``used``, and the number for all candidates ``in_full``.
        correlation: Kendall's tau between proxy and final order, over ``all``, the ``chosen`` and the ``random`` ones.
        precision: share of the k finally best that were among the k best by proxy, by k.
    """

    ranking: tuple[Place, ...]
    epochs: Mapping[str, int]
    correlation: Mapping[str, Interval]
    precision: Mapping[str, float]
    chosen_against_random: GroupTest | None


def judge(
    entrants: Sequence[Entrant], standings: Sequence[Standing], *, epochs: int, seed: int = 0
) -> TournamentResult:
    """Compares the final order of the candidates, winner first, with their rewards in the search.

    `epochs` is the full budget of one candidate, `seed` that of the bootstrap.
    """
    by_name = {entrant.name: entrant for entrant in entrants}
    ordered = [by_name[standing.name] for standing in standings]
    groups = {
        "all": ordered,
        "chosen": [entrant for entrant in ordered if entrant.chosen],
        "random": [entrant for entrant in ordered if not entrant.chosen],
    }
    used = sum(len(standing.accuracies) for standing in standings)
    return TournamentResult(
        ranking=tuple(_place(place, *each) for place, each in enumerate(zip(ordered, standings, strict=True), start=1)),
        epochs={"used": used, "in_full": epochs * len(standings)},
        correlation={
            name: kendall([entrant.proxy for entrant in group], list(range(len(group), 0, -1)))
            for name, group in groups.items()
        },
        precision=_precision(ordered),
        chosen_against_random=_chosen_against_random(ordered, standings, seed=seed),
    )


def kendall(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Computes Kendall's tau-b between two orders, with a 95 % interval.

    The interval is that of Fisher's transformation with the variance of Fieller, Hartley and Pearson (1957). There is
    none for fewer than five pairs, or if the orders agree or disagree completely; tau is NaN for fewer than two pairs.
    """
    if len(first) < 2:
        return Interval(math.nan)
    tau = round(float(stats.kendalltau(first, second).statistic), 12)
    if len(first) < _MIN_FOR_INTERVAL or not abs(tau) < 1:
        return Interval(tau)
    width = stats.norm.ppf(TAILS[1]) * math.sqrt(_KENDALL_VARIANCE / (len(first) - 4))
    return Interval(tau, math.tanh(math.atanh(tau) - width), math.tanh(math.atanh(tau) + width))


def verdict(result: TournamentResult) -> list[str]:
    """States the conclusions as sentences."""
    used, in_full = result.epochs["used"], result.epochs["in_full"]
    winner = result.ranking[0]
    origin = "selected by reward" if winner.chosen else "drawn at random"
    sentences = [
        f"Trial {winner.trial}, {origin}, won with {winner.accuracy:.2%} validation accuracy.",
        f"The tournament took {used} epochs, {used / in_full:.0%} of the {in_full} for training all in full.",
        _about_correlation(result.correlation["all"]),
    ]
    if result.chosen_against_random is not None:
        sentences.append(_about_groups(result.chosen_against_random))
    return sentences


def _place(place: int, entrant: Entrant, standing: Standing) -> Place:
    accuracies = tuple(standing.accuracies)
    last = accuracies[-1] if accuracies else None
    origin = entrant.name, entrant.trial, entrant.chosen, entrant.proxy
    return Place(place, *origin, len(accuracies), last, accuracies, standing.error)


def _precision(ordered: Sequence[Entrant]) -> dict[str, float]:
    num_chosen = sum(entrant.chosen for entrant in ordered)
    by_proxy = sorted(ordered, key=lambda entrant: -entrant.proxy)
    found = {}
    for count in sorted({*PRECISION_AT, num_chosen}):
        if 0 < count < len(ordered):
            both = {entrant.name for entrant in ordered[:count]} & {entrant.name for entrant in by_proxy[:count]}
            found[str(count)] = len(both) / count
    return found


def _chosen_against_random(ordered: Sequence[Entrant], standings: Sequence[Standing], *, seed: int) -> GroupTest | None:
    """Compares final places, and accuracies after the last epoch that all candidates reached."""
    heights = np.arange(len(ordered), 0.0, -1.0)  # the winner's is the greatest
    chosen = np.array([entrant.chosen for entrant in ordered])
    if chosen.all() or not chosen.any():
        return None
    u, p = mann_whitney(heights[chosen], heights[~chosen])
    sound = np.array([standing.error is None for standing in standings])
    shared = min((len(standing.accuracies) for standing in standings if standing.error is None), default=0)
    gain = None
    if shared and (sound & chosen).any() and (sound & ~chosen).any():
        after = np.array([standing.accuracies[shared - 1] if standing.error is None else 0.0 for standing in standings])
        gain = difference(after[sound & chosen], after[sound & ~chosen], seed=seed)
    better = probability_of_improvement(heights[chosen], heights[~chosen])
    return GroupTest(better, u, p, shared, gain)


def _about_correlation(tau: Interval) -> str:
    if math.isnan(tau.value):
        return "There are too few candidates to correlate the rewards in the search with the final order."
    shown = interval_text(tau, scale=1, prefix=CONFIDENCE_INTERVAL)
    missing = "" if tau.bounded else " (no interval)"
    return f"Kendall's tau between the rewards in the search and the final order is {shown}{missing}."


def _about_groups(test: GroupTest) -> str:
    share = test.better.value
    if test.p < 1 - CONFIDENCE:
        found = f"The selected candidates place {'above' if share > 0.5 else 'below'} the random ones"
    else:
        found = "The places of the selected and the random candidates do not differ significantly"
    return f"{found}: the selected one is better in {share:.0%} of all pairs, p = {test.p:.2g}."
