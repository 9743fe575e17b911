"""A pool on a Ray cluster: each trial is one Ray task, but for very short ones, of which a task runs several."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError, RuntimeEnvSetupError

from nas.protocols import MoreRoom
from nas.trial import Failure, FailureKind, Outcome, Trial
from workers.cluster.resources import WorkerResources
from workers.pools.bundle import BundleSize, Report
from workers.pools.child import Work, run_children

_LOGGER = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
_RECOUNT_SECONDS = 5.0
_WARN_SECONDS = 60.0
_PENDING_SECONDS = 5.0
_DROPS = 3  # of a task that waits on a lost node, beyond which it counts as the cause


@dataclass(slots=True)
class _Task:
    """Trials in flight that one worker evaluates, one after the other.

    Attributes:
        trials: those that have not ended.
        num_lost: how many workers were lost over it.
        num_dropped: how often its node was lost before any of them began.
        started_at: when the first of them began to run, in the driver's monotonic seconds; None while it is queued.
        stopped: whether it was told to stop for its time.
    """

    trials: deque[Trial]
    num_lost: int = 0
    num_dropped: int = 0
    started_at: float | None = None
    stopped: bool = False

    def failure(self, kind: FailureKind, error: str) -> Failure:
        seconds = 0.0 if self.started_at is None else time.monotonic() - self.started_at
        return Failure(self.trials[0].id, kind, error, seconds)


class RayPool:
    """Evaluates trials on the Ray cluster to which this process is connected (`workers.cluster.connection.connect`).

    A child that raises is a `Failure` of kind ``error`` and is not repeated. One whose worker or node is lost is
    started again, at most ``max_retries`` times, then it is ``worker_lost``. One that exceeds its time is killed, also
    within native code, and is a ``timeout``; one that Ray kills to save its node's memory is ``out_of_memory``.

    Where children take much less than starting a Ray task, a task runs several. If its worker is lost or it exceeds the
    time of one, each of them is started again alone, so that what holds for one child holds for each.

    Capacity follows the cluster: nodes are counted every few seconds, so those that join are used and the trials of
    those that leave are started elsewhere.

    Args:
        evaluate: called as ``evaluate(trial, **arguments)``; importable on the nodes.
        arguments: what every child needs, such as the images. Put into Ray's object store once, from where each node
            fetches it once and all its workers read numpy arrays in place.
        resources: what each child gets, and how far it may go.
    """

    def __init__(
        self,
        evaluate: Callable[..., Outcome],
        *,
        arguments: Mapping[str, Any] | None = None,
        resources: WorkerResources | None = None,
    ) -> None:
        self._resources = resources or WorkerResources()
        self._work = Work(evaluate, dict(arguments or {}), self._resources.limits)
        self._tasks: dict[Any, _Task] = {}
        self._held: deque[Trial] = deque()
        self._alone: deque[_Task] = deque()
        self._ended: deque[Outcome] = deque()
        self._in_flight: set[int] = set()
        self._bundle = BundleSize(1) if self._resources.recycle_after else BundleSize()
        self._submit: Callable[[Sequence[Trial]], Any] | None = None
        self._num_workers = self._offered = 0
        self._recount_at = self._warn_at = 0.0

    @property
    def num_workers(self) -> int:
        """How many children the cluster holds now; 0 while it has no node for one."""
        if time.monotonic() >= self._recount_at:
            before, is_first = self._num_workers, self._recount_at == 0
            self._num_workers = self._resources.count_workers(ray.nodes())  # type: ignore[no-untyped-call]
            self._recount_at = time.monotonic() + _RECOUNT_SECONDS
            if self._num_workers != before and not is_first:
                _LOGGER.info("the cluster holds %d children at a time now, before %d", self._num_workers, before)
        return self._num_workers

    @property
    def num_running(self) -> int:
        """How many children run now; the others in flight are queued."""
        return sum(task.started_at is not None for task in self._tasks.values())

    @property
    def capacity(self) -> int:
        """What the cluster holds, within the limits of the resources, and the few that may be queued."""
        self._offered = self._num_tasks * self._bundle.size
        return self._offered

    @property
    def _num_tasks(self) -> int:
        wanted = max(self.num_workers, self._resources.min_workers)
        return min(wanted, self._resources.max_workers or wanted) + self._resources.num_queued

    def submit(self, trial: Trial) -> None:
        """Hands the trial to Ray, which runs it as soon as a node has room.

        Raises:
            RuntimeError: if the pool is not entered.
            ValueError: if a trial of that number is in flight.
        """
        if self._submit is None:
            raise RuntimeError("a RayPool takes trials only within its with block")
        if trial.id in self._in_flight:
            raise ValueError(f"trial {trial.id} is in flight already")
        self._in_flight.add(trial.id)
        self._held.append(trial)
        if self._bundle.size == 1:
            self._start_held(self._submit)

    def next_outcome(self) -> Outcome:
        """Waits for whichever trial ends first. May be interrupted at any time; what is in flight stays so.

        Raises:
            MoreRoom: if the capacity has grown since it was last asked for, and nothing has ended meanwhile.
            RuntimeError: if no trial is in flight, or the cluster cannot run children at all, as when the nodes lack
                the code.
        """
        if not self._in_flight or self._submit is None:
            raise RuntimeError("next_outcome needs a trial in flight, and there is none")
        self._warn_at = time.monotonic() + (_WARN_SECONDS if self.num_workers else _PENDING_SECONDS)
        while not self._ended:
            self._start_held(self._submit)
            self._stop_overdue()
            ready = _wait(list(self._tasks))
            if ready:
                self._advance(ready[0])
            else:
                self._look_around()
        outcome = self._ended.popleft()
        self._in_flight.discard(outcome.trial_id)
        return outcome

    def _start_held(self, submit: Callable[[Sequence[Trial]], Any]) -> None:
        """Starts as many tasks as the cluster holds now, one at least; they share out what is held."""
        room = max(self._num_tasks - len(self._tasks), 0 if self._tasks else 1)
        for num_tasks in range(room, 0, -1):
            if self._alone:
                task = self._alone.popleft()
            elif self._held:
                size = min(self._bundle.size, math.ceil(len(self._held) / num_tasks))
                task = _Task(deque(self._held.popleft() for _ in range(size)))
            else:
                return
            self._tasks[submit(tuple(task.trials))] = task

    def _advance(self, stream: Any) -> None:  # noqa: ANN401 - Ray's generator has no public type before 2.10
        """Takes the next report of a task: that it has started, outcomes, or that it was lost."""
        task = self._tasks[stream]
        try:
            report: Report = ray.get(next(stream))
        except (RayError, StopIteration) as error:
            del self._tasks[stream]
            if (outcome := self._lost(task, error)) is not None:
                self._ended.append(outcome)
            return
        task.started_at, task.stopped = time.monotonic(), False
        self._bundle.add(report)
        for _ in report.outcomes:
            task.trials.popleft()
        if not task.trials:
            del self._tasks[stream]
        self._ended.extend(report.outcomes)

    def _lost(self, task: _Task, error: Exception) -> Outcome | None:
        if task.started_at is None and isinstance(error, RayTaskError | RuntimeEnvSetupError):
            # nothing of a trial has run yet: every other one would fail the same way
            raise RuntimeError(f"the cluster cannot run children: {_last_line(error)}") from error
        again = self._again(task, error)
        self._alone.extend(again)
        return None if again else self._failure(task, error)

    def _again(self, task: _Task, error: Exception) -> list[_Task]:
        """What is started again of a lost task."""
        if len(task.trials) > 1:  # whichever of them it was, it will tell when it is alone
            return [_Task(deque((trial,)), task.num_lost, task.num_dropped) for trial in task.trials]
        if task.stopped or isinstance(error, OutOfMemoryError | RayTaskError | RuntimeEnvSetupError):
            return []
        never_ran = task.started_at is None and isinstance(error, NodeDiedError)
        if never_ran and task.num_dropped < max(_DROPS, self._resources.max_retries):
            return [_Task(task.trials, task.num_lost, task.num_dropped + 1)]
        if task.num_lost < self._resources.max_retries:
            _LOGGER.info("trial %d is started again, its worker was lost: %s", task.trials[0].id, _first_line(error))
            return [_Task(task.trials, task.num_lost + 1, task.num_dropped)]
        return []

    def _failure(self, task: _Task, error: Exception) -> Failure:
        if task.stopped:
            return task.failure("timeout", f"stopped after {self._resources.time_limit_seconds:g} s, the time limit")
        if isinstance(error, OutOfMemoryError):
            return task.failure("out_of_memory", _first_line(error))
        if isinstance(error, RayTaskError | RuntimeEnvSetupError):
            return task.failure("error", _last_line(error))
        return task.failure("worker_lost", f"{task.num_lost + 1} workers were lost, the last: {_first_line(error)}")

    def _stop_overdue(self) -> None:
        """Kills children that have run for longer than the limit; Ray then reports each as lost."""
        limit = self._resources.time_limit_seconds
        if limit is None:
            return
        latest = time.monotonic() - limit
        for stream, task in self._tasks.items():
            if task.started_at is not None and task.started_at < latest and not task.stopped:
                task.stopped = True
                ray.cancel(stream, force=True)

    def _look_around(self) -> None:
        """Says what has changed while nothing ended: there is more room, or still none for any child."""
        offered = self._offered
        if 0 < offered < self.capacity:
            raise MoreRoom
        self._warn_if_idle()

    def _warn_if_idle(self) -> None:
        """A cluster that grows only on demand, or never holds a child, must not look like a hang."""
        if time.monotonic() < self._warn_at or self.num_running:
            return
        self._warn_at = time.monotonic() + _WARN_SECONDS
        if self.num_workers:
            state = f"no child has started for {_WARN_SECONDS:g} s, though {self.num_workers} fit on the cluster"
        else:
            state = "the cluster is pending: it has no node with room for a child"
        _LOGGER.warning(
            "%s; each needs %s; waiting (`ray status` shows what the cluster has and is asked for)",
            state,
            self._resources.demand,
        )

    def __enter__(self) -> Self:
        """Puts the evaluator and its arguments into the object store.

        Raises:
            RuntimeError: if this process is not connected to a cluster.
        """
        if not ray.is_initialized():
            raise RuntimeError("a RayPool needs a Ray cluster: enter workers.cluster.connection.connect() first")
        task = ray.remote(**self._resources.ray_options())(run_children)
        work = ray.put(self._work)
        self._submit = lambda trials: task.remote(work, trials)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops whatever still runs and forgets what is queued."""
        self._submit = None
        if ray.is_initialized():
            for stream in self._tasks:
                ray.cancel(stream, force=True)
        for left in (self._tasks, self._held, self._alone, self._ended, self._in_flight):
            left.clear()


def _wait(streams: list[Any]) -> list[Any]:
    """The first stream with a message, or none after a short time."""
    try:
        return ray.wait(streams, timeout=_POLL_SECONDS)[0]
    except SystemError as error:  # how an exception from a signal handler leaves Ray's native code
        raise error.__cause__ or error from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:500]


def _last_line(error: Exception) -> str:
    """The line of a remote traceback that names the exception."""
    return str(error).strip().splitlines()[-1][:500]
