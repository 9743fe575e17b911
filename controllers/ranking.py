"""The place of a reward among the last ones, by which the default of PPO judges it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque

_SMALLEST_GREED = 1e-4  # below, weights are even to more digits than their variance can be computed with


class Ranking:
    """Judges rewards by their rank among the last ones, the best by far the most.

    Ranks are the same for accuracies in percent or between 0 and 1, and the few networks that fail to learn at all do
    not drown the differences between good ones, as they do in a standard deviation. A search is for the best, not for a
    good mean: with u between 0 and 1 the share of the last rewards that a reward beats, its weight grows as
    exp(greed * u).

    Args:
        window: how many of the last rewards count.
        greed: how much more the best weigh; at 0 weights grow evenly, at 6 the best tenth has 45 % of all weight.
    """

    def __init__(self, window: int, greed: float) -> None:
        self._greed = greed
        self._last: deque[float] = deque(maxlen=window)
        self._sorted: list[float] = []

    def add(self, reward: float) -> None:
        """Takes a reward among the last ones."""
        if len(self._last) == self._last.maxlen:
            del self._sorted[bisect_left(self._sorted, self._last[0])]
        self._last.append(reward)
        insort(self._sorted, reward)

    def advantage(self, reward: float) -> float:
        """Mean 0 over the last rewards, and deviation 1 where they are many and differ; 0 before the first.

        Equal rewards share the weight of their places, so that the best is not judged badly for coming often.
        """
        if not self._sorted:
            return 0.0
        number = len(self._sorted)
        low, high = bisect_left(self._sorted, reward) / number, bisect_right(self._sorted, reward) / number
        if self._greed < _SMALLEST_GREED:
            return math.sqrt(12) * ((low + high) / 2 - 0.5)
        # Mean and variance of exp(greed * (u - 1)) for u uniform between 0 and 1.
        mean = -math.expm1(-self._greed) / self._greed
        variance = -math.expm1(-2 * self._greed) / (2 * self._greed) - mean * mean
        return (self._mean_weight(low, high) - mean) / math.sqrt(variance)

    def _mean_weight(self, low: float, high: float) -> float:
        """Mean of exp(greed * (u - 1)) for u uniform between two shares."""
        width = self._greed * (high - low)
        return math.exp(self._greed * (low - 1)) * (math.expm1(width) / width if width else 1.0)
