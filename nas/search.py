"""The search loop: ask, train, tell. It knows no Ray, no torch and no particular space, controller or pool."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger, LedgerContents
from nas.protocols import Controller, MoreRoom, Pool, SearchSpace
from nas.rewards import Accuracy, Reward
from nas.trial import Failure, Outcome, Trial


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search is to do.

    Attributes:
        fidelity: how every trial is measured.
        num_trials: how many trials the run has when it is finished, failures and cached ones included.
        seed: of the run; a trial's own seed follows from it and the trial's id.
        reward: what the controller is told of a success.
        failure_reward: what the controller is told of a failure; None tells it nothing.
        ordered_batch: None tells rewards as outcomes come. A number asks for batches of that many, and tells each in
            the order of asking when all of it is finished, so that the sequence of architectures does not depend on
            the number of workers or their speed.
    """

    fidelity: Fidelity
    num_trials: int
    seed: int = 0
    reward: Reward = field(default_factory=Accuracy)
    failure_reward: float | None = None
    ordered_batch: int | None = None

    def __post_init__(self) -> None:
        if self.num_trials < 1:
            raise ValueError(f"num_trials must be at least 1, got {self.num_trials}")
        if self.seed < 0:
            raise ValueError(f"the seed must be a whole number from 0, got {self.seed}")
        if self.failure_reward is not None and not math.isfinite(self.failure_reward):
            raise ValueError(f"failure_reward must be a finite number or null, got {self.failure_reward}")
        if self.ordered_batch is not None and self.ordered_batch < 1:
            raise ValueError(f"ordered_batch must be at least 1 or null, got {self.ordered_batch}")


def search(
    space: SearchSpace,
    controller: Controller,
    pool: Pool,
    plan: Plan,
    *,
    ledger: Ledger | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Trial, Outcome]]:
    """Runs a search, or continues the one that the ledger holds, and yields each trial with its outcome as it ends.

    What the ledger holds is told to the controller first, in the order in which it came; trials that were in flight
    when the run was interrupted are submitted again as they were recorded, never asked again.

    Args:
        space: turns decisions into architectures.
        controller: proposes decisions and learns from rewards; fresh, since its state is what it is told here.
        pool: measures trials; entered by the caller.
        plan: what to do.
        ledger: where each event is kept before anything is built on it; None keeps nothing.
        stop: asked before each new trial; once it says yes the search ends with the trials in flight.

    Yields:
        Each newly finished trial with its outcome, in the order of finishing.

    Raises:
        RuntimeError: if the pool returns an outcome that was not asked for, or the ledger cannot be written.
        ValueError: if the controller proposes what the space does not hold.
    """
    run = _Run(space, controller, plan, ledger)
    while run.submit_due(pool, stopped=stop()):
        try:
            outcome = pool.next_outcome()
        except MoreRoom:
            continue
        yield run.take(outcome)


def trial_seed(seed: int, trial_id: int) -> int:
    """The seed of one trial, below 2**32: independent streams for all pairs of a run's seed and a trial's id."""
    return int(np.random.SeedSequence((seed, trial_id)).generate_state(1)[0])


class _Run:
    """The trials of a run: asked for, in flight, told."""

    def __init__(self, space: SearchSpace, controller: Controller, plan: Plan, ledger: Ledger | None) -> None:
        self._space = space
        self._controller = controller
        self._plan = plan
        self._ledger = ledger
        self._teller = _Teller(controller, plan)
        contents = LedgerContents() if ledger is None else ledger.contents
        for record in contents.finished:
            try:
                self._teller.take(record.trial, record.outcome)
            except ValueError as error:
                raise ValueError(f"trial {record.trial.id} of the ledger is none of this search: {error}") from None
        self._waiting = deque(contents.pending)
        self._in_flight: dict[int, Trial] = {}
        self._num_asked = len(contents.finished) + len(contents.pending)

    def submit_due(self, pool: Pool, *, stopped: bool) -> bool:
        """Submits as many trials as the pool has room for; returns whether any is in flight now.

        Ordered batches are asked for as a whole, so that what the ledger says of asking is the same for every pool.
        """
        if not stopped:
            room = max(pool.capacity, 0 if self._in_flight else 1) - len(self._in_flight)
            if not self._waiting:
                due = self._teller.limit - self._num_asked
                self._ask(due if self._plan.ordered_batch is not None else min(room, due))
            for _ in range(min(room, len(self._waiting))):
                trial = self._waiting.popleft()
                self._in_flight[trial.id] = trial
                pool.submit(trial)
        return bool(self._in_flight)

    def take(self, outcome: Outcome) -> tuple[Trial, Outcome]:
        """Records an outcome, then tells it."""
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
        for trial_id, rollout in zip(ids, self._controller.ask(ids), strict=True):
            architecture = self._space.decode(rollout.decisions)
            seed = trial_seed(self._plan.seed, trial_id)
            self._waiting.append(Trial(trial_id, rollout, architecture, self._plan.fidelity, seed))
        self._num_asked += count
        if self._ledger is not None:
            self._ledger.append_asked(self._waiting)


class _Teller:
    """Tells outcomes to the controller, as they come or in the order of asking, as the plan says."""

    def __init__(self, controller: Controller, plan: Plan) -> None:
        self._controller = controller
        self._plan = plan
        self._num_told = 0
        self._early: dict[int, tuple[Trial, Outcome]] = {}

    @property
    def limit(self) -> int:
        """Trials below this number may be asked for now."""
        batch = self._plan.ordered_batch
        return self._plan.num_trials if batch is None else min(self._plan.num_trials, self._num_told + batch)

    def take(self, trial: Trial, outcome: Outcome) -> None:
        if self._plan.ordered_batch is None:
            self._tell(trial, outcome)
            return
        self._early[trial.id] = trial, outcome
        due = range(self._num_told, self.limit)
        if all(trial_id in self._early for trial_id in due):
            for trial_id in due:
                self._tell(*self._early.pop(trial_id))

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        self._num_told += 1
        if not isinstance(outcome, Failure):
            self._controller.tell(trial.rollout, self._plan.reward(outcome))
        elif self._plan.failure_reward is not None:
            self._controller.tell(trial.rollout, self._plan.failure_reward)
