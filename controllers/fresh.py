"""Wraps a controller so that no architecture is proposed twice."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Annotated, cast

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.decisions import Rollout
from nas.plain import describe
from nas.protocols import Controller, FrontController, SearchSpace

FIRST_EXTRA_ID = 2**40
"""Further draws of the wrapped controller for a trial have ids from here on; see `extra_ids`."""
_MAX_LISTED = 2**16  # spaces with more combinations of decisions are never listed
_MUTANTS_A_DISTANCE = 20

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class FreshSettings:
    """Settings of `Fresh`.

    Attributes:
        num_draws: how many times the wrapped controller is asked again for another architecture, before decisions of
            its proposal are changed at random.

    Example:
        >>> import nas
        >>> nas.FreshSettings(num_draws=5).num_draws
        5
    """

    num_draws: Annotated[int, Field(ge=0, le=1000)] = 20


class Visited:
    """Knows the fingerprints of the architectures that were told, and of others for the duration of a call."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._fingerprints: dict[tuple[int, ...], str] = {}
        self._told: set[str] = set()
        self._new: list[tuple[int, ...]] = []

    def tell(self, decisions: tuple[int, ...]) -> None:
        """Adds an architecture; its fingerprint is computed when it is first needed, so that resuming is quick."""
        self._new.append(decisions)

    def with_pending(self, pending: Sequence[Rollout]) -> Taken:
        """What may not be proposed while these rollouts are in flight."""
        self._told.update(map(self.fingerprint, self._new))
        self._new.clear()
        return Taken(self, {self.fingerprint(rollout.decisions) for rollout in pending})

    def fingerprint(self, decisions: tuple[int, ...]) -> str:
        """Fingerprint of the architecture of some decisions."""
        if decisions not in self._fingerprints:
            self._fingerprints[decisions] = describe(self._space.decode(decisions)).fingerprint
        return self._fingerprints[decisions]

    def is_told(self, fingerprint: str) -> bool:
        """Whether an architecture of this fingerprint was told."""
        return fingerprint in self._told


class Taken:
    """Architectures that may not be proposed: told, in flight or proposed earlier in the same call."""

    def __init__(self, visited: Visited, pending: set[str]) -> None:
        self._visited, self._pending = visited, pending

    def __contains__(self, decisions: tuple[int, ...]) -> bool:
        """Whether the architecture of some decisions may not be proposed."""
        fingerprint = self._visited.fingerprint(decisions)
        return self._visited.is_told(fingerprint) or fingerprint in self._pending

    def add(self, decisions: tuple[int, ...]) -> None:
        """Adds an architecture for the rest of the call."""
        self._pending.add(self._visited.fingerprint(decisions))


class Fresh:
    """Proposes what the wrapped controller proposes, unless an equal architecture was told or is in flight.

    Architectures are equal if their fingerprints are. In place of a repeat it proposes the first new one of further
    draws of the wrapped controller, then one that differs from the repeat in as few decisions as possible. Once a space
    has no new architecture left it repeats the draw, and logs a warning.

    A draw that replaces a repeat has weight 0: the wrapped controller would otherwise take it for its own, and its
    policy gradient would be that of another distribution. So the expected gradient is that of a policy which earns its
    advantage from new architectures and 0 from repeats.

    Args:
        controller: the wrapped controller, which is told everything.
        space: decodes decisions, for the fingerprints.
        settings: see `FreshSettings`.
        seed: seed of the run.

    Example:
        >>> import nas
        >>> controller = nas.Fresh(nas.RandomSearch(nas.TINY.choices, seed=0), nas.TINY, seed=0)
        >>> len({rollout.decisions for rollout in controller.ask(range(50))})
        50
    """

    def __init__(
        self, controller: Controller, space: SearchSpace, settings: FreshSettings = FreshSettings(), *, seed: int
    ) -> None:
        self.settings = settings
        self.controller = controller
        self.visited = Visited(space)
        self._space = space
        self._num_options = [choice.num_options for choice in space.choices]
        self._seed = seed
        self._has_warned = False

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        """Proposes one rollout for each trial; changes nothing."""
        return self.propose(trial_ids, pending, self.visited.with_pending(pending))

    def propose(self, trial_ids: Sequence[int], pending: Sequence[Rollout], taken: Taken) -> list[Rollout]:
        """Proposes one rollout for each trial, and adds them to what is taken."""
        proposed = []
        for trial_id, drawn in zip(trial_ids, self.controller.ask(trial_ids, pending), strict=True):
            is_repeat = drawn.decisions in taken
            proposed.append(self._replace(trial_id, drawn, pending, taken) if is_repeat else drawn)
            taken.add(proposed[-1].decisions)
        return proposed

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Tells the wrapped controller."""
        self.controller.tell(rollout, reward)
        self.visited.tell(rollout.decisions)

    def tell_values(self, trial_id: int, rollout: Rollout, values: Sequence[float]) -> None:
        """Tells the wrapped controller, which must be a `nas.protocols.FrontController`."""
        cast("FrontController", self.controller).tell_values(trial_id, rollout, values)
        self.visited.tell(rollout.decisions)

    def _replace(self, trial_id: int, repeat: Rollout, pending: Sequence[Rollout], taken: Taken) -> Rollout:
        """Another rollout in place of a repeat; the repeat itself if there is no other architecture."""
        for rollout in self._others(trial_id, repeat, pending):
            if rollout.decisions not in taken:
                return replace(rollout, weight=0.0)
        if not self._has_warned:
            self._has_warned = True
            _LOGGER.warning("no new architecture is left or was found in the search space: some are repeated")
        return repeat

    def _others(self, trial_id: int, repeat: Rollout, pending: Sequence[Rollout]) -> Iterator[Rollout]:
        """Further draws, then changes of more and more decisions, then all of a small space."""
        yield from self.controller.ask(extra_ids(trial_id, self.settings.num_draws), pending)
        generator = np.random.default_rng((self._seed, trial_id, 2))
        for num_changes in range(1, len(self._num_options) + 1):
            for _ in range(_MUTANTS_A_DISTANCE):
                yield replace(repeat, decisions=change(repeat.decisions, self._num_options, num_changes, generator))
        if math.prod(self._num_options) <= _MAX_LISTED:
            options = [generator.permutation(number).tolist() for number in self._num_options]
            for decisions in product(*options):
                yield replace(repeat, decisions=decisions)


def extra_ids(trial_id: int, number: int) -> list[int]:
    """Ids of further draws for a trial, different from those of all trials below 2**40."""
    return [trial_id + FIRST_EXTRA_ID * place for place in range(1, number + 1)]


def change(
    decisions: tuple[int, ...], num_options: Sequence[int], num_changes: int, generator: np.random.Generator
) -> tuple[int, ...]:
    """Replaces that many decisions, at different places, by other options; those with a single option stay."""
    changed = list(decisions)
    for place in generator.permutation(len(changed))[:num_changes].tolist():
        if num_options[place] > 1:
            changed[place] = (changed[place] + 1 + int(generator.integers(num_options[place] - 1))) % num_options[place]
    return tuple(changed)
