"""A pool on a Ray cluster: each trial is one Ray task."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pickle import PicklingError
from typing import Any, Never, Self

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError, RuntimeEnvSetupError

from nas.files.storage import StorageError
from nas.protocols import MoreRoom
from nas.trial import Failure, FailureKind, Outcome, Trial
from workers.cluster.resources import WorkerResources
from workers.cluster.signals import wait_for_any
from workers.errors import first_line, last_line
from workers.pools.worker import Work, run_trial

_LOGGER = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
_RECOUNT_SECONDS = 5.0
_WARN_SECONDS = 60.0
_PENDING_SECONDS = 5.0
_MAX_DROPS = 3  # node losses before a trial's first start that do not count as retries


@dataclass(slots=True)
class _Task:
    """A trial in flight."""

    trial: Trial
    num_lost: int = 0  # workers that were lost while they ran it
    num_dropped: int = 0  # nodes that were lost before it started on them
    started_at: float | None = None  # in the driver's monotonic seconds; None while it is queued
    timed_out: bool = False  # stopped for exceeding the time limit

    def failure(self, kind: FailureKind, error: str) -> Failure:
        seconds = 0.0 if self.started_at is None else time.monotonic() - self.started_at
        return Failure(self.trial.id, kind, error, seconds)


class RayPool:
    """Evaluates trials on the Ray cluster to which this process is connected (`workers.cluster.connection.connect`).

    A trial that raises is a `Failure` of kind ``error`` and is not retried. One whose worker or node is lost is
    retried at most ``max_retries`` times, then it is ``worker_lost``. One that exceeds its time limit is killed, even
    within native code, and is a ``timeout``; one that Ray kills to save its node's memory is ``out_of_memory``.

    Capacity follows the cluster: nodes are counted every few seconds, so that nodes that join are used, and trials of
    nodes that leave are retried elsewhere.

    Args:
        evaluate: called as ``evaluate(trial, **arguments)``; importable on the nodes.
        arguments: keyword arguments of every call, such as the images, put into Ray's object store once.
        resources: resources and limits of each trial.

    Example:
        >>> import nas
        >>> with nas.connect(num_cpus=2), nas.RayPool(nas.train_and_validate) as pool:  # doctest: +SKIP
        ...     pool.capacity
    """

    def __init__(
        self,
        evaluate: Callable[..., Outcome],
        *,
        arguments: Mapping[str, Any] | None = None,
        resources: WorkerResources | None = None,
    ) -> None:
        self._resources = resources or WorkerResources()
        self._work = Work(evaluate=evaluate, arguments=dict(arguments or {}), resources=self._resources)
        self._run: Callable[[Trial], Any] = _refuse
        self._tasks: dict[Any, _Task] = {}  # by the stream of what the task yields
        self._num_workers = self._offered = 0
        self._recount_at = self._warn_at = 0.0

    @property
    def num_workers(self) -> int:
        """Number of trials that fit on the cluster now; 0 while it has no node for one."""
        if time.monotonic() >= self._recount_at:
            before, is_first = self._num_workers, self._recount_at == 0
            self._num_workers = self._resources.count_workers(ray.nodes())  # type: ignore[no-untyped-call]
            self._recount_at = time.monotonic() + _RECOUNT_SECONDS
            if self._num_workers != before and not is_first:
                _LOGGER.info("the cluster now has room for %d trials at a time, before %d", self._num_workers, before)
        return self._num_workers

    @property
    def num_running(self) -> int:
        """Number of trials that run now; the others in flight are queued."""
        return sum(task.started_at is not None for task in self._tasks.values())

    @property
    def capacity(self) -> int:
        """Number of trials that fit on the cluster, within the limits of the resources, plus ``num_queued``."""
        fitting, maximum = max(self.num_workers, self._resources.min_workers), self._resources.max_workers
        if maximum is not None and maximum < fitting:
            self._offered = maximum  # one more would not be queued, but run
        else:
            self._offered = fitting + self._resources.num_queued
        return self._offered

    def submit(self, trial: Trial) -> None:
        """Hands the trial to Ray, which runs it as soon as a node has room; RuntimeError if the pool is not entered."""
        if any(task.trial.id == trial.id for task in self._tasks.values()):
            raise ValueError(f"trial {trial.id} is in flight already")
        self._start(_Task(trial))

    def next_outcome(self) -> Outcome:
        """Waits for whichever trial finishes first. May be interrupted at any time; trials in flight stay in flight.

        Raises:
            MoreRoom: if the capacity has grown since it was last read, and nothing has finished meanwhile.
            RuntimeError: if no trial is in flight, or the cluster cannot run any, as when the nodes lack the code.
            StorageError: if the files of a trial could not be written.
        """
        if not self._tasks:
            raise RuntimeError("next_outcome needs a trial in flight, and there is none")
        self._warn_at = time.monotonic() + (_WARN_SECONDS if self.num_workers else _PENDING_SECONDS)
        while True:
            self._stop_overdue()
            stream = wait_for_any(self._tasks, timeout_seconds=_POLL_SECONDS)
            if stream is None:
                self._check_cluster()
            elif (outcome := self._advance(stream)) is not None:
                return outcome

    def _start(self, task: _Task) -> None:
        self._tasks[self._run(task.trial)] = task

    def _advance(self, stream: Any) -> Outcome | None:  # noqa: ANN401 - Ray's generator has no public type before 2.10
        """Takes what a task yields next; returns the trial's outcome once there is one."""
        task = self._tasks[stream]
        try:
            outcome: Outcome | None = ray.get(next(stream))
        except (RayError, StopIteration) as error:
            del self._tasks[stream]
            return self._retry_or_fail(task, error)
        if outcome is None:
            task.started_at = time.monotonic()
        else:
            del self._tasks[stream]
        return outcome

    def _retry_or_fail(self, task: _Task, error: Exception) -> Failure | None:
        """Starts a task again after an error of Ray and returns None, or returns its failure.

        Raises RuntimeError if the cluster can run no trial, and StorageError if the trial could not write its files.
        """
        if task.timed_out:
            return task.failure("timeout", f"stopped after {self._resources.time_limit_seconds:g} s, the time limit")
        if isinstance(error, OutOfMemoryError):
            return task.failure("out_of_memory", first_line(error))
        if isinstance(error, RayTaskError | RuntimeEnvSetupError):
            if isinstance(cause := getattr(error, "cause", None), StorageError):
                raise StorageError(str(cause)) from None
            if task.started_at is None:  # nothing of the trial has run, so every other trial would fail the same way
                raise RuntimeError(f"the cluster cannot run trials: {last_line(error)}") from error
            return task.failure("error", last_line(error))
        never_ran = task.started_at is None and isinstance(error, NodeDiedError)
        if never_ran and task.num_dropped < max(_MAX_DROPS, self._resources.max_retries):
            self._start(_Task(task.trial, task.num_lost, task.num_dropped + 1))
        elif task.num_lost < self._resources.max_retries:
            _LOGGER.info("trial %d is retried, its worker was lost: %s", task.trial.id, first_line(error))
            self._start(_Task(task.trial, task.num_lost + 1, task.num_dropped))
        else:
            return task.failure("worker_lost", f"{task.num_lost + 1} workers were lost, the last: {first_line(error)}")
        return None

    def _stop_overdue(self) -> None:
        """Kills trials that have exceeded the time limit; Ray then reports each as lost."""
        limit = self._resources.time_limit_seconds
        if limit is None:
            return
        latest = time.monotonic() - limit
        for stream, task in self._tasks.items():
            if task.started_at is not None and task.started_at < latest and not task.timed_out:
                task.timed_out = True
                ray.cancel(stream, force=True)

    def _check_cluster(self) -> None:
        """Raises MoreRoom if the cluster has grown; warns from time to time while no trial runs."""
        offered = self._offered
        if 0 < offered < self.capacity:
            raise MoreRoom
        if time.monotonic() < self._warn_at or self.num_running:
            return
        self._warn_at = time.monotonic() + _WARN_SECONDS
        if self.num_workers:
            state = f"no trial has started for {_WARN_SECONDS:g} s, though {self.num_workers} fit on the cluster"
        else:
            state = "the cluster is pending: it has no node with room for a trial"
        hint = "waiting (`ray status` shows resources and demand)"
        _LOGGER.warning("%s; each needs %s; %s", state, self._resources.demand, hint)

    def __enter__(self) -> Self:
        """Puts the evaluator and its arguments into the object store.

        Raises:
            RuntimeError: if this process is not connected to a cluster.
            ValueError: if the evaluator or its arguments cannot be sent to workers.
        """
        if not ray.is_initialized():
            raise RuntimeError("a RayPool needs a Ray cluster: enter workers.cluster.connection.connect() first")
        task = ray.remote(**self._resources.ray_options())(run_trial)
        try:
            work = ray.put(self._work)
        except (TypeError, AttributeError, PicklingError) as error:  # as pickle raises them
            raise ValueError(f"the evaluator or its arguments cannot be sent to workers: {first_line(error)}") from None
        self._run = lambda trial: task.remote(work, trial)
        return self

    def __exit__(self, *_: object) -> None:
        """Kills running trials and drops queued ones."""
        self._run = _refuse
        if ray.is_initialized():
            for stream in self._tasks:
                ray.cancel(stream, force=True)
        self._tasks.clear()


def _refuse(trial: Trial) -> Never:
    raise RuntimeError(f"a RayPool takes trials only within its with block, got trial {trial.id} outside")
