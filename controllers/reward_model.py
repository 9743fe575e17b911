"""A model of the reward: an exact Gaussian process on decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from nas.decisions import Choice

_RATES = np.geomspace(0.25, 16, 7)
_NOISES = np.geomspace(1e-3, 1, 7)
_JITTER = 1e-6
_Array: TypeAlias = NDArray[Any]


class Features:
    """Decisions as vectors: a 1 for the option of each choice, so that products count equal decisions."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        sizes = [choice.num_options for choice in choices]
        self.num_choices = len(sizes)
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._width = sum(sizes)

    def __call__(self, decisions: Sequence[tuple[int, ...]]) -> _Array:
        """Vectors of shape (number of rollouts, options of all choices)."""
        vectors = np.zeros((len(decisions), self._width), np.float32)
        vectors[np.arange(len(decisions))[:, None], np.array(decisions) + self._starts] = 1
        return vectors

    def distances(self, first: _Array, second: _Array) -> _Array:
        """Shares of choices that are decided differently, of shape (number in first, number in second)."""
        equal = (first @ second.T).astype(np.float64)
        return 1 - equal / self.num_choices


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """How fast correlation falls with distance, and the variance of noise beside that of the function."""

    rate: float
    noise: float


class RewardModel:
    """Gaussian process with the kernel exp(-rate * share of different decisions) (BANANAS, 1910.11858, uses others).

    Args:
        features: converts decisions to vectors.
        decisions: of rollouts that were told, one or more.
        scores: their rewards, as normal scores (see `normal_scores`).
        hyperparameters: see `fit_hyperparameters`.
    """

    def __init__(
        self,
        features: Features,
        decisions: Sequence[tuple[int, ...]],
        scores: _Array,
        hyperparameters: Hyperparameters,
    ) -> None:
        self._features, self._rate = features, hyperparameters.rate
        self._vectors = features(decisions)
        covariance = np.exp(-self._rate * features.distances(self._vectors, self._vectors))
        covariance.flat[:: len(scores) + 1] += hyperparameters.noise + _JITTER
        self._factor = linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        self._weights = linalg.cho_solve((self._factor, True), scores, check_finite=False)
        self._variance = max(float(scores @ self._weights) / len(scores), _JITTER)
        self.best_score = float(np.max(scores))
        """Largest score that was told."""
        self.told_means = scores - hyperparameters.noise * self._weights
        """Posterior means of the rollouts that were told."""
        self.best_mean = float(np.max(self.told_means))

    def expected_improvement(self, decisions: Sequence[tuple[int, ...]], best: float) -> _Array:
        """Expected improvement on a score, in logarithms, which do not underflow far below it."""
        mean, deviation = self.predict(decisions)
        scaled = (mean - best) / deviation
        return np.asarray(np.log(deviation) + _log_improvement(scaled))

    def predict(self, decisions: Sequence[tuple[int, ...]]) -> tuple[_Array, _Array]:
        """Mean and standard deviation of the function's values."""
        mean, whitened = self._posterior(self._features(decisions))
        return mean, np.sqrt(self._variance * np.clip(1 - (whitened**2).sum(axis=0), _JITTER, None))

    def draw(self, decisions: Sequence[tuple[int, ...]], generator: np.random.Generator) -> _Array:
        """One joint draw of the function's values from the posterior, for Thompson sampling."""
        vectors = self._features(decisions)
        mean, whitened = self._posterior(vectors)
        prior = np.exp(-self._rate * self._features.distances(vectors, vectors))
        covariance = self._variance * (prior - whitened.T @ whitened)
        values, directions = np.linalg.eigh(covariance)
        drawn = directions @ (np.sqrt(np.clip(values, 0, None)) * generator.standard_normal(len(values)))
        return np.asarray(mean + drawn)

    def _posterior(self, vectors: _Array) -> tuple[_Array, _Array]:
        """Posterior mean, and the prior covariance with the told rollouts after division by the Cholesky factor."""
        covariance = np.exp(-self._rate * self._features.distances(self._vectors, vectors))
        whitened = linalg.solve_triangular(self._factor, covariance, lower=True, check_finite=False)
        return covariance.T @ self._weights, whitened


def fit_hyperparameters(features: Features, decisions: Sequence[tuple[int, ...]], scores: _Array) -> Hyperparameters:
    """Hyperparameters of a grid with the largest marginal likelihood; the variance of the function is profiled out."""
    vectors = features(decisions)
    distances = features.distances(vectors, vectors)
    found = []
    for rate in _RATES:
        values, directions = np.linalg.eigh(np.exp(-rate * distances))
        squares = (directions.T @ scores) ** 2
        for noise in _NOISES:
            spectrum = np.clip(values, 0, None) + noise
            variance = max(float((squares / spectrum).mean()), _JITTER)
            likelihood = -0.5 * (len(scores) * math.log(variance) + float(np.log(spectrum).sum()))
            found.append((likelihood, float(rate), float(noise)))
    _, rate, noise = max(found)
    return Hyperparameters(rate, noise)


def normal_scores(rewards: _Array, *, among: _Array) -> _Array:
    """Normal quantiles of the ranks of rewards among others that include them.

    Their scale and outliers do not matter, and equal ones stay equal: they share the mean of their ranks.
    """
    ordered = np.sort(among)
    below, up_to = (np.searchsorted(ordered, rewards, side) for side in ("left", "right"))
    return np.asarray(special.ndtri((below + up_to) / (2 * len(ordered))))


def _log_improvement(scaled: _Array) -> _Array:
    """Logarithm of the expected improvement of a standard normal over -scaled."""
    near = np.maximum(scaled, -30.0)
    improvement = np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi) + near * special.ndtr(near)
    # Below -5 the difference loses its digits; it is the density divided by the square of the distance.
    far = -0.5 * scaled**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(np.maximum(-scaled, 1.0))
    near_or_far: _Array = np.where(scaled > -5, np.log(np.maximum(improvement, 1e-300)), far)
    return near_or_far
