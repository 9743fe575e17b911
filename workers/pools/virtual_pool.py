"""A pool with a virtual clock that simulates hundreds of workers, for evaluators that look results up."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Self

from nas.protocols import Evaluate
from nas.trial import Outcome, Trial
from workers.pools.guard import guard


class VirtualPool:
    """Evaluates each trial when it is submitted, and returns outcomes in the order in which they would finish.

    Each trial occupies a simulated worker for its training time, so outcomes come late and out of order, as from a
    cluster, and a run is exactly reproducible.

    Attributes:
        now_seconds: the virtual clock: finishing time of the last returned outcome.
    """

    def __init__(self, evaluate: Evaluate, *, num_workers: int) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers must be at least 1, got {num_workers}")
        self._evaluate = evaluate
        self._num_workers = num_workers
        self._num_started = 0
        self._in_flight: set[int] = set()
        self._queue: deque[Outcome] = deque()
        self._running: list[tuple[float, int, Outcome]] = []
        self.now_seconds = 0.0

    @property
    def capacity(self) -> int:
        """The number of simulated workers."""
        return self._num_workers

    def submit(self, trial: Trial) -> None:
        """Starts a trial on a free worker, or queues it."""
        if trial.id in self._in_flight:
            raise ValueError(f"trial {trial.id} is in flight already")
        self._in_flight.add(trial.id)
        self._queue.append(guard(self._evaluate, trial, {}))
        self._start()

    def next_outcome(self) -> Outcome:
        """Advances the clock to the next trial that finishes, and returns its outcome."""
        if not self._running:
            raise RuntimeError("next_outcome needs a trial in flight, and there is none")
        self.now_seconds, _, outcome = heapq.heappop(self._running)
        self._in_flight.remove(outcome.trial_id)
        self._start()
        return outcome

    def _start(self) -> None:
        while self._queue and len(self._running) < self._num_workers:
            outcome = self._queue.popleft()
            # Trials that finish at the same time come in the order of their start.
            self._num_started += 1
            heapq.heappush(self._running, (self.now_seconds + outcome.train_seconds, self._num_started, outcome))

    def __enter__(self) -> Self:
        """Nothing needs to be started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drops trials in flight."""
        self._in_flight.clear()
        self._queue.clear()
        self._running.clear()
