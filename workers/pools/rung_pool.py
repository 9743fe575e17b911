"""A pool that stops weak trials at rungs (`nas.rungs`)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from nas.protocols import Pool
from nas.rewards import Accuracy, Reward
from nas.rungs import RungReport, standings
from nas.trial import Failure, Outcome, Success, Trial


@dataclass(slots=True)
class _Climb:
    """A trial in flight: the number of rungs it has passed, and the seconds spent on them."""

    trial: Trial
    num_passed: int = 0
    seconds: float = 0.0


class RungPool:
    """Wraps a pool: hands it each trial rung by rung, and ends a trial that is not among the best 1/eta at a rung.

    Every part of a trial is submitted with `Trial.until_epoch`; there the evaluator stores the state of the training,
    from which it continues. A worker that is lost costs at most the epochs since the last rung.

    Args:
        pool: the pool that evaluates; entered and left with this pool.
        rungs: epochs of the rungs, rising.
        eta: see `nas.rungs.Rungs`.
        reward: by which trials are compared at a rung.
        scores: metrics by which they are compared at a rung of 0 epochs, see `nas.rungs.Rungs`.
        reports: reports of earlier sessions: decisions that were made stay, and trials resume from their last rung.
        record: called with each report before the pool acts on it.
        ordered_batch: if not None, a trial is compared with those of earlier batches of that size only, whose reports
            are complete: decisions then do not depend on the number or speed of the workers.
    """

    def __init__(  # noqa: PLR0913 - one argument for each thing that a search may ask of it
        self,
        pool: Pool,
        rungs: Sequence[int],
        eta: float,
        *,
        reward: Reward = Accuracy(),  # noqa: B008 - it is immutable
        scores: Sequence[str] = (),
        reports: Iterable[RungReport] = (),
        record: Callable[[RungReport], None] = lambda _report: None,
        ordered_batch: int | None = None,
    ) -> None:
        self._pool, self._rungs, self._eta = pool, tuple(rungs), eta
        self._record, self._batch = record, ordered_batch
        self._reached = standings(self._rungs, reward, scores)
        self._uncounted: list[RungReport] = []
        self._earlier: dict[int, RungReport] = {}
        self._in_flight: dict[int, _Climb] = {}
        self._ready: deque[Outcome] = deque()
        for report in reports:
            self._keep(report)
            self._earlier[report.outcome.trial_id] = report

    @property
    def capacity(self) -> int:
        """Capacity of the wrapped pool."""
        return self._pool.capacity + len(self._ready)

    def submit(self, trial: Trial) -> None:
        """Submits a trial up to its next rung."""
        report = self._earlier.pop(trial.id, None)
        if report is None:
            self._start(_Climb(trial))
        elif report.goes_on:
            num_passed = self._rungs.index(report.num_epochs) + 1
            self._start(_Climb(trial, num_passed, report.outcome.train_seconds))
        else:
            self._ready.append(_stopped(report))

    def next_outcome(self) -> Outcome:
        """Waits for the next trial that is stopped or finishes; those that pass a rung are submitted again."""
        while not self._ready:
            outcome = self._pool.next_outcome()
            climb = self._in_flight.pop(outcome.trial_id)
            outcome = replace(outcome, train_seconds=climb.seconds + outcome.train_seconds)
            if isinstance(outcome, Failure) or climb.num_passed == len(self._rungs):
                return outcome
            report = self._judge(outcome, self._rungs[climb.num_passed])
            self._record(report)
            self._keep(report)
            if not report.goes_on:
                return _stopped(report)
            self._start(_Climb(climb.trial, climb.num_passed + 1, outcome.train_seconds))
        return self._ready.popleft()

    def _start(self, climb: _Climb) -> None:
        until = self._rungs[climb.num_passed] if climb.num_passed < len(self._rungs) else None
        self._pool.submit(replace(climb.trial, until_epoch=until))
        self._in_flight[climb.trial.id] = climb

    def _judge(self, outcome: Success, num_epochs: int) -> RungReport:
        first = math.inf if self._batch is None else outcome.trial_id // self._batch * self._batch
        for report in self._uncounted:
            if report.outcome.trial_id < first:
                self._reached[report.num_epochs].add(report.outcome)
        self._uncounted = [report for report in self._uncounted if report.outcome.trial_id >= first]
        return RungReport(num_epochs, outcome, self._reached[num_epochs].is_among_best(outcome, self._eta))

    def _keep(self, report: RungReport) -> None:
        if report.num_epochs not in self._reached:
            rungs = ", ".join(map(str, self._rungs))
            raise ValueError(f"trial {report.outcome.trial_id} must report at a rung, {rungs}, got {report.num_epochs}")
        self._uncounted.append(report)

    def __enter__(self) -> Self:
        """Enters the wrapped pool."""
        self._pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 - passed on
        """Leaves the wrapped pool and drops trials in flight."""
        self._in_flight.clear()
        self._ready.clear()
        self._pool.__exit__(*error)


def _stopped(report: RungReport) -> Success:
    return replace(report.outcome, stopped_after=report.num_epochs)
