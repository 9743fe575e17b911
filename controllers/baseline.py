"""Moving-average baseline for rewards."""

from __future__ import annotations

import math


class Baseline:
    """Exponential moving mean and variance of rewards (NASNet, 1707.07012, A.2).

    A reward is weighted by ``decay`` to the power of its age, so the estimates are not biased towards 0 at the start.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._weight = 0.0
        self._mean = 0.0
        self._variance = 0.0

    def advantage(self, reward: float) -> float:
        """Distance of a reward above the mean, in standard deviations; 0 while the variance is 0."""
        spread = math.sqrt(self._variance)
        # A spread within rounding means that all rewards are equal.
        return (reward - self._mean) / spread if spread > 1e-9 * abs(self._mean) else 0.0

    def difference(self, reward: float) -> float:
        """Distance of a reward above the mean, as in the paper."""
        return reward - self._mean

    def add(self, reward: float) -> None:
        """Adds a reward to the averages."""
        self._weight = self._decay * self._weight + 1.0
        share = 1.0 / self._weight
        distance = reward - self._mean
        self._mean += share * distance
        self._variance = (1.0 - share) * (self._variance + share * distance * distance)
