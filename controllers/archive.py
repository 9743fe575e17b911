"""The rollouts of a search for a front, with the values of their objectives and how good they are for any weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas.decisions import Rollout
from nas.fronts import Values, front_scale, preference, scalarize


class Told(NamedTuple):
    """A rollout that was told, its trial, and its place in the archive."""

    trial_id: int
    rollout: Rollout
    place: int


class Archive:
    """All rollouts that were told, in order; `scores` and `best` are for one mixture of the objectives."""

    def __init__(self) -> None:
        self.decisions: list[tuple[int, ...]] = []
        self._values: list[Sequence[float]] = []
        self._scaled: tuple[int, Values, tuple[Values, Values]] | None = None

    def __len__(self) -> int:
        return len(self.decisions)

    def add(self, decisions: tuple[int, ...], values: Sequence[float]) -> None:
        """Adds a rollout with its values, higher is better; those of a failure are -inf."""
        self.decisions.append(decisions)
        self._values.append(values)

    def weights(self, trial_id: int) -> Values:
        """Weights of the objectives for a trial, see `nas.fronts.preference`."""
        return preference(trial_id, len(self._values[0]))

    def scores(self, weights: Values) -> Values:
        """How good each rollout is for some weights; a failure is worse than every other by 1."""
        if self._scaled is None or self._scaled[0] != len(self):
            values = np.asarray(self._values, np.float64)
            self._scaled = len(self), values, front_scale(values)
        return _scores(weights, *self._scaled[1:])

    def first_scores(self, number: int) -> Values:
        """How good each of the first rollouts is for equal weights; later ones change nothing."""
        values = np.asarray(self._values[:number], np.float64)
        return _scores(np.full(values.shape[1], 1 / values.shape[1]), values, front_scale(values))

    def best(self, weights: Values) -> tuple[int, ...]:
        """Decisions of the best rollout for some weights, the first of equals."""
        return self.decisions[int(np.argmax(self.scores(weights)))]


def _scores(weights: Values, values: Values, scale: tuple[Values, Values]) -> Values:
    failed = np.asarray(np.isinf(values).any(axis=1))
    scores = scalarize(np.where(failed[:, None], scale[0], values), weights, scale)
    scores[failed] = scores[~failed].min(initial=0.0) - 1
    return scores
