"""The rollouts of a search for a front, with the values of their objectives and how good they are for any weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
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

    def __len__(self) -> int:
        return len(self.decisions)

    def add(self, decisions: tuple[int, ...], values: Sequence[float]) -> None:
        """Adds a rollout with its values, higher is better; those of a failure are -inf."""
        self.decisions.append(decisions)
        self._values.append(values)
        self.__dict__.pop("_scaled", None)

    def weights(self, trial_id: int) -> Values:
        """Weights of the objectives for a trial, see `nas.fronts.preference`."""
        return preference(trial_id, len(self._values[0]))

    @property
    def values(self) -> Values:
        """The values of all rollouts, of shape (rollouts, objectives)."""
        return self._scaled[0]

    def scores(self, weights: Values) -> Values:
        """How good each rollout is for some weights; a failure is worse than every other by 1."""
        return _scores(weights, *self._scaled)

    def score(self, values: Values, weights: Values) -> Values:
        """How good other values, of shape (number, objectives), would be among those of the rollouts."""
        return scalarize(values, weights, self._scaled[1])

    def first_scores(self, number: int) -> Values:
        """How good each of the first rollouts is for equal weights; later ones change nothing."""
        values, scale = _with_scale(self._values[:number])
        return _scores(np.full(values.shape[1], 1 / values.shape[1]), values, scale)

    def best(self, weights: Values) -> tuple[int, ...]:
        """Decisions of the best rollout for some weights, the first of equals."""
        return self.decisions[int(np.argmax(self.scores(weights)))]

    @cached_property
    def _scaled(self) -> tuple[Values, tuple[Values, Values]]:
        """All values and their scale, until the next `add`: an update of a policy needs scores for many weights."""
        return _with_scale(self._values)


def _with_scale(values: Sequence[Sequence[float]]) -> tuple[Values, tuple[Values, Values]]:
    array = np.asarray(values, np.float64)
    return array, front_scale(array)


def _scores(weights: Values, values: Values, scale: tuple[Values, Values]) -> Values:
    failed = np.asarray(np.isinf(values).any(axis=1))
    scores = scalarize(np.where(failed[:, None], scale[0], values), weights, scale)
    scores[failed] = scores[~failed].min(initial=0.0) - 1
    return scores
