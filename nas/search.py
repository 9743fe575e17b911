"""The search loop: ask the controller, submit to the pool, tell the reward.

It depends on no particular search space, controller or pool, and imports neither Ray nor torch.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from nas.callable_module import make_callable
from nas.decisions import Rollout
from nas.fidelity import Fidelity
from nas.objectives import Objectives
from nas.plain import describe
from nas.protocols import Controller, FrontController, MoreRoom, Pool, SearchLedger, SearchSpace
from nas.records import LedgerContents
from nas.rewards import Accuracy, Reward
from nas.trial import Failure, Outcome, Success, Trial

MAX_TOO_LARGE = 100
"""A session whose first 100 networks are all too large stops, unless `SearchPlan.max_first_failures` is None."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Settings of a search.

    Attributes:
        num_trials: total number of trials of the run, including failures and cached results.
        seed: seed of the run. The seed of each trial is derived from it and the trial's id.
        reward: maps a success to the reward that is told to the controller.
        objectives: for a search for a Pareto front: maps a success to values, higher is better, that are told in place
            of the reward. The controller must be a `nas.protocols.FrontController`.
        failure_reward: reward told for a failed trial; None tells nothing.
        ordered_batch: if None, rewards are told as outcomes arrive. Otherwise, trials are asked for in batches of that
            size, and rewards are told in the order of asking once the whole batch has finished: the sequence of
            architectures then does not depend on the number or speed of the workers.
        max_first_failures: the search stops with an error if this many first trials of a session all fail for the same
            reason, which then is hardly the networks' fault; None never stops it.

    Example:
        >>> import nas
        >>> nas.SearchPlan(nas.Fidelity(), num_trials=100, seed=1).failure_reward is None
        True
    """

    fidelity: Fidelity
    num_trials: int
    seed: int = 0
    reward: Reward = field(default_factory=Accuracy)
    failure_reward: float | None = None
    ordered_batch: int | None = None
    max_first_failures: int | None = 5
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        if self.num_trials < 1:
            raise ValueError(f"num_trials must be at least 1, got {self.num_trials}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        if self.failure_reward is not None and not math.isfinite(self.failure_reward):
            raise ValueError(f"failure_reward must be a finite number or null, got {self.failure_reward}")
        if self.ordered_batch is not None and self.ordered_batch < 1:
            raise ValueError(f"ordered_batch must be at least 1 or null, got {self.ordered_batch}")


def search(
    space: SearchSpace,
    controller: Controller,
    pool: Pool,
    plan: SearchPlan,
    *,
    ledger: SearchLedger | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Trial, Outcome]]:
    """Runs a search and yields each trial with its outcome as it finishes.

    If the ledger holds trials of an earlier session, the search resumes from them: finished trials are told to the
    controller in their recorded order, and unfinished ones are submitted again as recorded, without asking again.

    Args:
        space: decodes decisions into architectures.
        controller: a newly created controller.
        pool: an entered pool.
        plan: settings of the search.
        ledger: stores every event before the search acts on it; None stores nothing.
        stop: called before new trials are submitted. Once it returns True, no more trials are submitted and the search
            ends when those in flight have finished.

    Raises:
        RuntimeError: if the pool returns an outcome for a trial that is not in flight, the ledger cannot be written, or
            the first trials all fail alike.
        ValueError: if the controller proposes decisions outside the search space, or the ledger is of another search.

    Example:
        >>> import nas
        >>> controller = nas.RandomSearch(nas.TINY.choices, seed=0)
        >>> with nas.SerialPool(lambda trial: 0.5) as pool:
        ...     found = list(nas.search(nas.TINY, controller, pool, nas.SearchPlan(nas.Fidelity(), num_trials=2)))
        >>> [outcome.accuracy for trial, outcome in found]
        [0.5, 0.5]
    """
    run = _Run(space, controller, plan, ledger)
    watch = _FirstFailures(plan.max_first_failures)
    while run.submit_due(pool, stopped=stop()):
        try:
            outcome = pool.next_outcome()
        except MoreRoom:
            continue
        yield run.take(outcome)
        watch.take(outcome)


def trial_seed(seed: int, trial_id: int) -> int:
    """Derives the seed of a trial, below 2**32, from the seed of the run and the trial's id."""
    return int(np.random.SeedSequence((seed, trial_id)).generate_state(1)[0])


class _FirstFailures:
    """Stops a session whose first trials all fail alike: same kind, and same text but for numbers."""

    def __init__(self, maximum: int | None) -> None:
        self._maximum = maximum
        self._num_large = 0
        self._texts: list[str] = []

    def take(self, outcome: Outcome) -> None:
        if self._maximum is None or (isinstance(outcome, Success) and outcome.was_only_scored):
            return  # such a trial says nothing of the trainings
        # networks may rightly be too large, all of them at first; it costs next to nothing
        if isinstance(outcome, Failure) and outcome.kind == "too_large":
            self._num_large += 1
            if self._num_large == MAX_TOO_LARGE:
                raise RuntimeError(
                    f"stopped: the first {MAX_TOO_LARGE} networks are all larger than the bounds allow: {outcome.error}"
                )
            return
        if not isinstance(outcome, Failure) or self._num_large:
            self._maximum = None
            return
        self._texts.append(f"{outcome.kind}: {re.sub('[0-9]+', '', outcome.error)}")
        if len(set(self._texts)) > 1:
            self._maximum = None
        elif len(self._texts) == self._maximum:
            raise RuntimeError(
                f"stopped: the first {self._maximum} trials all failed alike, with {outcome.kind}: {outcome.error}; "
                "search.max_first_failures sets their number, null never stops"
            )


def ask_trials(
    space: SearchSpace,
    controller: Controller,
    plan: SearchPlan,
    ids: Sequence[int],
    pending: Sequence[Rollout] = (),
) -> list[Trial]:
    """Asks the controller for the trials of these ids, while others are in flight; changes nothing."""
    return [
        Trial(
            trial_id, rollout, describe(space.decode(rollout.decisions)), plan.fidelity, trial_seed(plan.seed, trial_id)
        )
        for trial_id, rollout in zip(ids, controller.ask(ids, pending), strict=True)
    ]


class _Run:
    """The trials of a run: waiting, in flight, and told."""

    def __init__(
        self, space: SearchSpace, controller: Controller, plan: SearchPlan, ledger: SearchLedger | None
    ) -> None:
        self._space, self._controller, self._plan, self._ledger = space, controller, plan, ledger
        contents = LedgerContents() if ledger is None else ledger.contents
        self._teller = tell_earlier(controller, plan, contents)
        self._waiting = deque(contents.pending)
        self._in_flight: dict[int, Trial] = {}
        self._num_asked = len(contents.finished) + len(contents.pending)

    def submit_due(self, pool: Pool, *, stopped: bool) -> bool:
        """Submits as many trials as the pool has room for; returns whether any trial is in flight."""
        if not stopped:
            room = max(pool.capacity, 0 if self._in_flight else 1) - len(self._in_flight)
            if not self._waiting:
                due = self._teller.limit - self._num_asked
                # Ordered batches are asked for as a whole, so that the ledger records the same asks for every pool.
                self._ask(due if self._plan.ordered_batch is not None else min(room, due))
            for _ in range(min(room, len(self._waiting))):
                trial = self._waiting.popleft()
                self._in_flight[trial.id] = trial
                pool.submit(trial)
        return bool(self._in_flight)

    def take(self, outcome: Outcome) -> tuple[Trial, Outcome]:
        """Stores an outcome in the ledger, then tells it to the controller."""
        trial = self._in_flight.pop(outcome.trial_id, None)
        if trial is None:
            raise RuntimeError(f"the pool returned trial {outcome.trial_id}, which is not in flight")
        if self._ledger is not None:
            self._ledger.append_finished(outcome)
        self._teller.take(trial, outcome)
        return trial, outcome

    def _ask(self, count: int) -> None:
        if count <= 0:
            return
        ids = range(self._num_asked, self._num_asked + count)
        for trial in ask_trials(self._space, self._controller, self._plan, ids, self._teller.pending):
            self._waiting.append(trial)
            self._teller.expect(trial)
        self._num_asked += count
        if self._ledger is not None:
            self._ledger.append_asked(self._waiting)


class _Teller:
    """Tells outcomes to the controller, as they arrive or in ordered batches."""

    def __init__(self, controller: Controller, plan: SearchPlan) -> None:
        self._controller, self._plan = controller, plan
        if plan.objectives is not None and not isinstance(controller, FrontController):
            raise ValueError(
                f"a search for a front needs a controller with tell_values, got {type(controller).__name__}; "
                "controllers.scalarized.Scalarized adds it"
            )
        self._num_told = 0
        self._early: dict[int, tuple[Trial, Outcome]] = {}
        self._untold: dict[int, Rollout] = {}

    @property
    def pending(self) -> list[Rollout]:
        """Rollouts that were asked for and have not been told, by trial id."""
        return [self._untold[trial_id] for trial_id in sorted(self._untold)]

    @property
    def limit(self) -> int:
        """Trial ids below this number may be asked for now."""
        batch = self._plan.ordered_batch
        return self._plan.num_trials if batch is None else min(self._plan.num_trials, self._num_told + batch)

    def expect(self, trial: Trial) -> None:
        self._untold[trial.id] = trial.rollout

    def take(self, trial: Trial, outcome: Outcome) -> None:
        if self._plan.ordered_batch is None:
            self._tell(trial, outcome)
            return
        self._early[trial.id] = trial, outcome
        if self._early.keys() >= set(due := range(self._num_told, self.limit)):
            for trial_id in due:
                self._tell(*self._early.pop(trial_id))

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        self._num_told += 1
        failure = self._plan.failure_reward
        if isinstance(outcome, Failure) and failure is None:
            return
        if (objectives := self._plan.objectives) is not None:
            values = (-math.inf,) * len(objectives) if isinstance(outcome, Failure) else objectives(outcome)
            cast("FrontController", self._controller).tell_values(trial.id, trial.rollout, values)
        else:
            reward = failure if isinstance(outcome, Failure) else self._plan.reward(outcome)
            self._controller.tell(trial.rollout, cast("float", reward))
        del self._untold[trial.id]


def tell_earlier(controller: Controller, plan: SearchPlan, contents: LedgerContents) -> _Teller:
    """Tells a new controller the finished trials of a ledger, as the search did, and returns what tells the next ones.

    Raises:
        ValueError: if a trial does not fit the controller or the plan.
    """
    teller = _Teller(controller, plan)
    for trial in (*(record.trial for record in contents.finished), *contents.pending):
        teller.expect(trial)
    for record in contents.finished:
        try:
            teller.take(record.trial, record.outcome)
        except ValueError as error:
            raise ValueError(f"trial {record.trial.id} of the ledger does not fit this search: {error}") from None
    return teller


make_callable(__name__, "nas.search:search")
