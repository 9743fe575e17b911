"""Random search: all options of a choice are equally likely (NASNet, 1707.07012, section 4.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.decisions import Choice, Rollout, check_decisions


class RandomSearch:
    """Draws every decision uniformly and learns nothing: the baseline for every other controller.

    Example:
        >>> import nas
        >>> controller = nas.RandomSearch(nas.TINY.choices, seed=0)
        >>> controller.ask([7]) == controller.ask([7])
        True
    """

    def __init__(self, choices: Sequence[Choice], *, seed: int) -> None:
        self._choices = tuple(choices)
        self._seed = seed
        self._num_options = np.array([choice.num_options for choice in self._choices])
        self._log_prob = -math.fsum(math.log(choice.num_options) for choice in self._choices)

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        """Proposes one rollout for each trial, drawn from a generator seeded by (seed, trial id)."""
        generators = [np.random.default_rng((self._seed, trial_id)) for trial_id in trial_ids]
        draws = [generator.integers(self._num_options).tolist() for generator in generators]
        return [Rollout(tuple(drawn), self._log_prob) for drawn in draws]

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Learns nothing; raises ValueError if the decisions are not of this space or the reward is not finite."""
        check_decisions(rollout.decisions, self._choices)
        if not math.isfinite(reward):
            raise ValueError(f"a reward must be a finite number, got {reward}")

    def tell_values(self, trial_id: int, rollout: Rollout, values: Sequence[float]) -> None:
        """Learns nothing; raises ValueError if the decisions are not of this space."""
        check_decisions(rollout.decisions, self._choices)
