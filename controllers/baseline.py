"""The moving average against which rewards are judged."""

from __future__ import annotations

import math


class Baseline:
    """Moving averages of rewards and of their squared distance from the average (NASNet, 1707.07012, A.2).

    Both are means weighted by ``decay`` to the power of age, so the first rewards do not pull towards 0.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._weight = 0.0
        self._mean = 0.0
        self._variance = 0.0

    @property
    def mean(self) -> float:
        """The average of the rewards so far; 0 before the first."""
        return self._mean

    def advantage(self, reward: float) -> float:
        """How far a reward lies above the average, in standard deviations; 0 where none is known yet."""
        spread = math.sqrt(self._variance)
        # A spread that is nothing but rounding says that all rewards are equal.
        return (reward - self._mean) / spread if spread > 1e-9 * abs(self._mean) else 0.0

    def add(self, reward: float) -> None:
        """Takes a reward into the averages."""
        self._weight = self._decay * self._weight + 1.0
        share = 1.0 / self._weight
        distance = reward - self._mean
        self._mean += share * distance
        self._variance = (1.0 - share) * (self._variance + share * distance * distance)
