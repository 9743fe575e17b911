"""Regularized evolution: the oldest member of the population is removed, not the worst (AmoebaNet, 1802.01548)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.decisions import Choice, Rollout, check_decisions


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class EvolutionSettings:
    """Settings of `RegularizedEvolution`.

    Attributes:
        population_size: number of last told rollouts that may become parents.
        tournament_size: number of those that are drawn, without replacement, for each new rollout; the best of them is
            its parent. At most the population size.
    """

    population_size: Annotated[int, Field(ge=1)] = 10
    tournament_size: Annotated[int, Field(ge=1)] = 10

    def __post_init__(self) -> None:
        if self.tournament_size > self.population_size:
            raise ValueError(
                f"tournament_size must be at most the population_size of {self.population_size}, "
                f"got {self.tournament_size}"
            )


class RegularizedEvolution:
    """Changes one decision of the best of a few members of the population, which holds the last told rollouts.

    Rollouts are random until the population is full, however many are asked before one is told.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        settings: EvolutionSettings = EvolutionSettings(),  # noqa: B008 - frozen
        *,
        seed: int,
    ) -> None:
        self.settings = settings
        self._choices = tuple(choices)
        self._seed = seed
        self._num_options = np.array([choice.num_options for choice in self._choices])
        self._free = np.flatnonzero(self._num_options > 1)
        self._population: deque[tuple[tuple[int, ...], float]] = deque(maxlen=settings.population_size)

    def ask(self, trial_ids: Sequence[int]) -> list[Rollout]:
        """Proposes one rollout for each trial, drawn from a generator seeded by (seed, trial id)."""
        return [self._propose(np.random.default_rng((self._seed, trial_id))) for trial_id in trial_ids]

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Adds a rollout to the population; the oldest leaves it.

        Raises:
            ValueError: if the decisions are not of this space, or the reward is not finite.
        """
        check_decisions(rollout.decisions, self._choices)
        if not math.isfinite(reward):
            raise ValueError(f"a reward must be a finite number, got {reward}")
        self._population.append((rollout.decisions, reward))

    def _propose(self, generator: np.random.Generator) -> Rollout:
        if len(self._population) < self.settings.population_size:
            drawn = generator.integers(self._num_options)
            return Rollout(tuple(drawn.tolist()), -float(np.log(self._num_options).sum()))
        drawn = generator.choice(len(self._population), self.settings.tournament_size, replace=False)
        # Of equal rewards the younger wins, so that the search can move along a plateau.
        parent, _ = max((self._population[index] for index in sorted(drawn, reverse=True)), key=lambda told: told[1])
        return self._mutate(parent, generator)

    def _mutate(self, parent: tuple[int, ...], generator: np.random.Generator) -> Rollout:
        """Another option for one decision; every such change is equally likely.

        The log-probability is that of the mutation; this controller does not use it.
        """
        if not len(self._free):
            return Rollout(parent, 0.0)
        place = int(generator.choice(self._free))
        num_others = int(self._num_options[place]) - 1
        other = (parent[place] + 1 + int(generator.integers(num_others))) % (num_others + 1)
        decisions = (*parent[:place], other, *parent[place + 1 :])
        return Rollout(decisions, -math.log(len(self._free) * num_others))
