"""Rank of a reward among the last ones, from which PPO computes advantages by default."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque

_SMALLEST_GREED = 1e-4  # below, weights are too even for their variance to be computed accurately


class Ranking:
    """Advantages from the rank of a reward among the last ones, with most weight on the best.

    Ranks do not depend on the scale of rewards, and a few failed networks do not hide differences between good ones. A
    search looks for the best, not for a good mean: the weight of a reward grows as exp(greed * u), where u is the share
    of the last rewards below it. Equal rewards share the mean weight of their ranks.

    Args:
        window: number of last rewards that count.
        greed: how much more the best weigh; at 0 weights grow linearly, at 6 the best tenth has 45 % of all weight.
    """

    def __init__(self, window: int, greed: float) -> None:
        self._greed = greed
        self._last: deque[float] = deque(maxlen=window)
        self._sorted: list[float] = []

    def add(self, reward: float) -> None:
        """Adds a reward; the oldest leaves the window."""
        if len(self._last) == self._last.maxlen:
            del self._sorted[bisect_left(self._sorted, self._last[0])]
        self._last.append(reward)
        insort(self._sorted, reward)

    def advantage(self, reward: float) -> float:
        """Advantage: mean 0 and, for many different rewards, deviation 1 over the window; 0 while that is empty."""
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
