"""A pool without a cluster: evaluates one trial at a time, in this process."""

from __future__ import annotations

from collections import deque
from typing import Self

from nas.protocols import Evaluate
from nas.trial import Outcome, Trial
from workers.pools.guard import guard


class SerialPool:
    """Evaluates trials in the order of submission, each within `next_outcome`, where breakpoints work.

    Its runs are exactly reproducible. It cannot stop a trial that hangs.

    Example:
        >>> import nas
        >>> with nas.SerialPool(lambda trial: 0.5) as pool:
        ...     pool.capacity
        1
    """

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._trials: deque[Trial] = deque()

    @property
    def capacity(self) -> int:
        """1: there is one process."""
        return 1

    def submit(self, trial: Trial) -> None:
        """Appends the trial to the queue."""
        if any(other.id == trial.id for other in self._trials):
            raise ValueError(f"trial {trial.id} is in flight already")
        self._trials.append(trial)

    def next_outcome(self) -> Outcome:
        """Evaluates the trial at the head of the queue."""
        if not self._trials:
            raise RuntimeError("next_outcome needs a trial in flight, and there is none")
        outcome = guard(self._evaluate, self._trials[0], {})
        self._trials.popleft()  # only now, so that an interrupted evaluation leaves its trial in flight
        return outcome

    def __enter__(self) -> Self:
        """Nothing needs to be started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drops queued trials."""
        self._trials.clear()
