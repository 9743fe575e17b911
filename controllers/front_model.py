"""A model of how good rollouts are for some mixture of objectives: a Gaussian process for each objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from controllers.reward_model import RewardModel
from nas.fronts import Values, evenly

_NUM_SAMPLES = 64
_TIE = 1e-9
"""Weight of the mean score beside the expected improvement, which is 0 for many candidates."""


class FrontModel:
    """Scores of the values that a model of each objective expects.

    The score of a mixture has kinks where another objective bounds it, and one process of scores smooths them; the
    objectives themselves are smoother. They are modelled independently of each other.

    Args:
        models: of the normal scores of each objective.
        told: values that were told to the models, of shape (rollouts, objectives), higher is better; those of a failure
            are -inf.
        normal: their normal scores, of the same shape.
        score: how good values of shape (number, objectives) are.
        best_score: of what was told.
    """

    def __init__(
        self,
        models: Sequence[RewardModel],
        told: Values,
        normal: Values,
        score: Callable[[Values], Values],
        best_score: float,
    ) -> None:
        self._models, self._score, self.best_score = models, score, best_score
        self._scales = [_Scale(*columns) for columns in zip(told.T, normal.T, strict=True)]
        self.best_mean = float(np.max(self._scores([model.told_means for model in models])))
        uniforms = evenly(np.arange(_NUM_SAMPLES), len(models))
        self._samples = special.ndtri(uniforms)[:, :, None]

    def expected_improvement(self, decisions: Sequence[tuple[int, ...]], best: float) -> Values:
        """Expected improvement on a score, from the same samples for all decisions."""
        predicted = [model.predict(decisions) for model in self._models]
        drawn = [mean + self._samples[:, place] * deviation for place, (mean, deviation) in enumerate(predicted)]
        improvement = np.maximum(self._scores(drawn) - best, 0).mean(axis=0)
        return np.asarray(improvement + _TIE * self._scores([mean for mean, _ in predicted]))

    def draw(self, decisions: Sequence[tuple[int, ...]], generator: np.random.Generator) -> Values:
        """Scores of one joint draw of all objectives from their posteriors, for Thompson sampling."""
        return self._scores([model.draw(decisions, generator) for model in self._models])

    def _scores(self, normal: Sequence[Values]) -> Values:
        """Scores of normal scores, one array for each objective, all of one shape."""
        values = np.stack([scale(each) for scale, each in zip(self._scales, normal, strict=True)], axis=-1)
        return self._score(values.reshape(-1, len(normal))).reshape(values.shape[:-1])


class _Scale:
    """Turns normal scores back into values: linear between what was told, above it as in the better half."""

    def __init__(self, values: Values, normal: Values) -> None:
        finite = values[np.isfinite(values)]
        self._normal, first = np.unique(normal, return_index=True)
        self._values = np.maximum(values[first], finite.min() if len(finite) else 0.0)
        middle = len(first) // 2
        width = self._normal[-1] - self._normal[middle]
        self._slope = (self._values[-1] - self._values[middle]) / width if width > 0 else 0.0

    def __call__(self, normal: Values) -> Values:
        beyond = np.maximum(normal - self._normal[-1], 0)
        return np.asarray(np.interp(normal, self._normal, self._values) + self._slope * beyond)
