"""The four contracts of a search.

The loop that uses them (`nas.search.search`), in short::

    while trials are due:
        for rollout in controller.ask(ids of as many trials as the pool has room for):
            trial = Trial(id, rollout, space.decode(rollout.decisions), fidelity, seed)
            pool.submit(trial)                              # the ledger appends "asked"
        outcome = pool.next_outcome()                       # the ledger appends "finished"
        controller.tell(rollout of that trial, reward(outcome))
        yield trial, outcome
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from nas.decisions import Choice, Rollout
from nas.trial import Description, Outcome, Trial

Evaluate: TypeAlias = Callable[[Trial], Outcome]
"""Measures one trial. Whatever goes wrong comes back as a `Failure`; an exception is a bug of the evaluator."""


class SearchSpace(Protocol):
    """What can be proposed."""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The decisions to be made, in order."""
        ...

    def decode(self, decisions: tuple[int, ...]) -> Description:
        """Turns one decision for each choice into a description.

        Raises:
            ValueError: if there is not one decision for each choice, or one is not among its options.
        """
        ...


class Controller(Protocol):
    """Who proposes. Its state is a fold of its tells, so that resuming is telling again, in the same order."""

    def ask(self, trial_ids: Sequence[int]) -> list[Rollout]:
        """Proposes one rollout for each trial.

        Changes nothing: what a trial gets depends on the tells so far, the run's seed and the trial's id, not on what
        is asked beside it.
        """
        ...

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Learns from one rollout and its reward (higher is better, finite)."""
        ...


class MoreRoom(Exception):  # noqa: N818 - not an error, but the end of a wait
    """Ends a wait for an outcome because the pool has come to hold more trials than it said last."""


class Pool(Protocol):
    """Who measures, several trials at a time. A context manager: leaving it lets go of whatever still runs."""

    @property
    def capacity(self) -> int:
        """How many trials it can usefully hold now, those in flight included. May change from call to call."""
        ...

    def submit(self, trial: Trial) -> None:
        """Takes a trial and returns at once."""
        ...

    def next_outcome(self) -> Outcome:
        """Waits for whichever trial finishes first.

        Raises:
            MoreRoom: if more trials could be measured now, as when a node joins a cluster; none has finished yet.
            RuntimeError: if no trial is in flight.
        """
        ...

    def __enter__(self) -> Self:
        """Starts what the pool needs."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets go of whatever still runs."""
        ...
