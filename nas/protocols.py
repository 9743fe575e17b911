"""Contracts between the parts of a search: search space, controller, pool and ledger.

`nas.search.search` connects them. In short::

    while trials remain:
        for rollout in controller.ask(ids of as many trials as the pool has room for, rollouts not told yet):
            trial = Trial(id, rollout, space.decode(rollout.decisions), fidelity, seed)
            ledger.append_asked([trial])
            pool.submit(trial)
        outcome = pool.next_outcome()
        ledger.append_finished(outcome)
        controller.tell(rollout of that trial, reward(outcome))
        yield trial, outcome
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias, runtime_checkable

from nas.decisions import Choice, Rollout
from nas.descriptions import Description
from nas.records import LedgerContents
from nas.trial import Outcome, Trial

Evaluate: TypeAlias = Callable[[Trial], Outcome]
"""Evaluates one trial. Errors are returned as a `Failure`; a raised exception is an error in the evaluator itself."""


class SearchSpace(Protocol):
    """Defines what can be proposed: a sequence of choices, and what each combination of decisions means."""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Choices to be decided, in order."""

    def decode(self, decisions: tuple[int, ...]) -> Description:
        """Converts one decision per choice into a description, such as an `nas.architecture.Architecture`.

        Raises ValueError if the number of decisions is wrong or a decision is not one of its choice's options.
        """


class Controller(Protocol):
    """Proposes rollouts and learns from their rewards.

    Its state must depend only on its `tell` calls and their order: a search is resumed by repeating them.
    """

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        """Proposes one rollout per trial without changing the controller's state.

        The rollouts follow from the tells so far, the seed of the run and the arguments. Ids differ between the
        trials of a run and need not be consecutive: a wrapper that needs several candidates for a trial asks with
        further ids, above 2**40.

        Args:
            trial_ids: ids of the trials, different numbers of at least 0.
            pending: rollouts that were asked for and have not been told, by trial id: those in flight, and failures
                of which nothing is told. A controller need not take them into account.
        """

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Learns from a rollout and its reward (finite; higher is better)."""


@runtime_checkable
class FrontController(Controller, Protocol):
    """Proposes rollouts for a whole Pareto front; it is told the values of all objectives in place of a reward."""

    def tell_values(self, trial_id: int, rollout: Rollout, values: Sequence[float]) -> None:
        """Learns from the values of a trial, higher is better; those of a failure are all -inf."""


class MoreRoom(Exception):  # noqa: N818 - signals a change, not an error
    """Raised by `Pool.next_outcome` when the pool's capacity has grown while it was waiting."""


class Pool(AbstractContextManager["Pool", None], Protocol):
    """Evaluates several trials at a time.

    A context manager: entering it acquires the pool's resources, leaving it releases them and abandons running trials.
    """

    @property
    def capacity(self) -> int:
        """Number of trials to keep in flight, including those already submitted. May change between calls."""

    def submit(self, trial: Trial) -> None:
        """Accepts a trial and returns at once."""

    def next_outcome(self) -> Outcome:
        """Waits for the next trial to finish and returns its outcome.

        Raises:
            MoreRoom: if no trial has finished but more could run, for example because a node joined the cluster.
            RuntimeError: if no trial is in flight.
        """


class SearchLedger(Protocol):
    """Stores the events of a search, so that it can be resumed; `nas.ledger.writer.Ledger` stores them in a file."""

    @property
    def contents(self) -> LedgerContents:
        """Trials stored by earlier sessions of the search."""

    def append_asked(self, trials: Iterable[Trial]) -> None:
        """Stores trials that are about to be submitted; raises RuntimeError if they cannot be stored."""

    def append_finished(self, outcome: Outcome) -> None:
        """Stores the outcome of a trial that was asked for; raises RuntimeError if it cannot be stored."""
