"""Regularized evolution: the oldest member of the population is removed, not the worst (AmoebaNet, 1802.01548)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from controllers.random_search import RandomSearch
from nas.decisions import Choice, Rollout
from nas.fronts import crowding, fronts


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class EvolutionSettings:
    """Settings of `RegularizedEvolution`.

    Attributes:
        population_size: number of last told rollouts that may become parents.
        tournament_size: number of them that are drawn for each new rollout, whose parent is the best of them.

    Example:
        >>> import nas
        >>> nas.EvolutionSettings(population_size=20, tournament_size=5).population_size
        20
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

    In a search for a front, members are not removed for their age: the population holds twice as many different
    rollouts, and the worst leaves it, in NSGA-II's order (doi 10.1109/4235.996017): by the front on which they lie,
    those of one front by crowding distance. A parent is the better of two of them.

    Example:
        >>> import nas
        >>> len(nas.RegularizedEvolution(nas.TINY.choices, seed=0).ask([0])[0].decisions)
        24
    """

    def __init__(
        self, choices: Sequence[Choice], settings: EvolutionSettings = EvolutionSettings(), *, seed: int
    ) -> None:
        self.settings = settings
        self._seed = seed
        self._random = RandomSearch(choices, seed=seed)
        self._num_options = [choice.num_options for choice in choices]
        self._free = np.flatnonzero(np.array(self._num_options) > 1)
        self._population: deque[tuple[tuple[int, ...], float]] = deque(maxlen=settings.population_size)
        self._front: dict[tuple[int, ...], Sequence[float]] = {}
        self._num_front_told = 0

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        """Proposes one rollout for each trial, drawn from a generator seeded by (seed, trial id)."""
        number = self.settings.population_size
        if len(self._population) < number and self._num_front_told < 2 * number:
            return self._random.ask(trial_ids)
        return [self._mutate(np.random.default_rng((self._seed, trial_id))) for trial_id in trial_ids]

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Adds a rollout to the population, which the oldest leaves; raises ValueError if not valid for this space."""
        self._random.tell(rollout, reward)
        self._population.append((rollout.decisions, reward))

    def tell_values(self, trial_id: int, rollout: Rollout, values: Sequence[float]) -> None:
        """Adds a rollout with its values, higher is better; raises ValueError if it is not valid for this space."""
        self._random.tell_values(trial_id, rollout, values)
        self._front[rollout.decisions] = values
        self._num_front_told += 1
        members, told = list(self._front), np.array(list(self._front.values()))
        ranked = [front[np.argsort(-crowding(told[front]), kind="stable")] for front in fronts(told)]
        kept = [members[place] for front in ranked for place in front.tolist()][: 2 * self.settings.population_size]
        self._front = {decisions: self._front[decisions] for decisions in kept}

    def _parent(self, generator: np.random.Generator) -> tuple[int, ...]:
        if self._front:
            best = list(self._front)  # best first
            return best[int(generator.choice(len(best), min(2, len(best)), replace=False).min())]
        drawn = generator.choice(len(self._population), self.settings.tournament_size, replace=False)
        # Of equal rewards the younger wins, so that the search can move along a plateau.
        return max((self._population[index] for index in sorted(drawn, reverse=True)), key=lambda told: told[1])[0]

    def _mutate(self, generator: np.random.Generator) -> Rollout:
        """Changes one decision of a parent; the log-probability is that of the mutation, and is not used here."""
        parent = self._parent(generator)
        if not len(self._free):
            return Rollout(parent, 0.0)
        place = int(generator.choice(self._free))
        num_others = self._num_options[place] - 1
        other = (parent[place] + 1 + int(generator.integers(num_others))) % (num_others + 1)
        decisions = (*parent[:place], other, *parent[place + 1 :])
        return Rollout(decisions, -math.log(len(self._free) * num_others))
