"""A pool on a Ray cluster: each trial is one Ray task."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, RuntimeEnvSetupError

from nas.protocols import MoreRoom
from nas.trial import Failure, FailureKind, Outcome, Trial
from workers.child import Work, run_child
from workers.ray_resources import RayResources

_LOGGER = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
_RECOUNT_SECONDS = 5.0
_WARN_SECONDS = 60.0
_PENDING_SECONDS = 5.0


@dataclass(slots=True)
class _Child:
    """A trial in flight.

    Attributes:
        trial: what is measured.
        num_lost: how many workers were lost over it.
        started_at: when it began to run, in the driver's monotonic seconds; None while it is queued.
        stopped: whether it was told to stop for its time.
    """

    trial: Trial
    num_lost: int = 0
    started_at: float | None = None
    stopped: bool = False

    def failure(self, kind: FailureKind, error: str) -> Failure:
        seconds = 0.0 if self.started_at is None else time.monotonic() - self.started_at
        return Failure(self.trial.id, kind, error, seconds)


class RayPool:
    """Evaluates trials on the Ray cluster to which this process is connected (`workers.ray_cluster.connect`).

    A child that raises is a `Failure` of kind ``error`` and is not repeated. One whose worker or node is lost is
    started again, at most ``max_retries`` times, then it is ``worker_lost``. One that exceeds its time is killed, also
    within native code, and is a ``timeout``; one that Ray kills to save its node's memory is ``out_of_memory``.

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
        resources: RayResources | None = None,
    ) -> None:
        self._resources = resources or RayResources()
        self._work = Work(evaluate, dict(arguments or {}), self._resources.limits)
        self._children: dict[Any, _Child] = {}
        self._submit: Callable[[Trial], Any] | None = None
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
        return sum(child.started_at is not None for child in self._children.values())

    @property
    def capacity(self) -> int:
        """What the cluster holds, within the limits of the resources, and the few that may be queued."""
        wanted = max(self.num_workers, self._resources.min_workers)
        self._offered = min(wanted, self._resources.max_workers or wanted) + self._resources.num_queued
        return self._offered

    def submit(self, trial: Trial) -> None:
        """Hands the trial to Ray, which runs it as soon as a node has room.

        Raises:
            RuntimeError: if the pool is not entered.
            ValueError: if a trial of that number is in flight.
        """
        if any(child.trial.id == trial.id for child in self._children.values()):
            raise ValueError(f"trial {trial.id} is in flight already")
        self._start(_Child(trial))

    def next_outcome(self) -> Outcome:
        """Waits for whichever trial ends first. May be interrupted at any time; what is in flight stays so.

        Raises:
            MoreRoom: if the capacity has grown since it was last asked for, and nothing has ended meanwhile.
            RuntimeError: if no trial is in flight, or the cluster cannot run children at all, as when the nodes lack
                the code.
        """
        if not self._children:
            raise RuntimeError("next_outcome needs a trial in flight, and there is none")
        self._warn_at = time.monotonic() + (_WARN_SECONDS if self.num_workers else _PENDING_SECONDS)
        while True:
            self._stop_overdue()
            ready = _wait(list(self._children))
            if not ready:
                self._look_around()
            elif (outcome := self._advance(ready[0])) is not None:
                return outcome

    def _start(self, child: _Child) -> None:
        if self._submit is None:
            raise RuntimeError("a RayPool takes trials only within its with block")
        self._children[self._submit(child.trial)] = child

    def _advance(self, stream: Any) -> Outcome | None:  # noqa: ANN401 - Ray's generator has no public type before 2.10
        """Takes the next message of a child: that it has started, its outcome, or that it was lost."""
        child = self._children[stream]
        try:
            message = ray.get(next(stream))
        except (RayError, StopIteration) as error:
            del self._children[stream]
            return self._lost(child, error)
        if child.started_at is None:
            child.started_at = time.monotonic()
            return None
        del self._children[stream]
        outcome: Outcome = message
        return outcome

    def _lost(self, child: _Child, error: Exception) -> Outcome | None:
        if child.stopped:
            return child.failure("timeout", f"stopped after {self._resources.time_limit_seconds:g} s, the time limit")
        if isinstance(error, OutOfMemoryError):
            return child.failure("out_of_memory", _first_line(error))
        if isinstance(error, RayTaskError | RuntimeEnvSetupError):
            if child.started_at is None:  # nothing of the trial has run yet: every other one would fail the same way
                raise RuntimeError(f"the cluster cannot run children: {_last_line(error)}") from error
            return child.failure("error", _last_line(error))
        if child.num_lost < self._resources.max_retries:
            _LOGGER.info("trial %d is started again, its worker was lost: %s", child.trial.id, _first_line(error))
            self._start(_Child(child.trial, child.num_lost + 1))
            return None
        return child.failure("worker_lost", f"{child.num_lost + 1} workers were lost, the last: {_first_line(error)}")

    def _stop_overdue(self) -> None:
        """Kills children that have run for longer than the limit; Ray then reports each as lost."""
        limit = self._resources.time_limit_seconds
        if limit is None:
            return
        latest = time.monotonic() - limit
        for stream, child in self._children.items():
            if child.started_at is not None and child.started_at < latest and not child.stopped:
                child.stopped = True
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
            raise RuntimeError("a RayPool needs a Ray cluster: enter workers.ray_cluster.connect() first")
        task = ray.remote(**self._resources.ray_options())(run_child)
        work = ray.put(self._work)
        self._submit = lambda trial: task.remote(work, trial)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops whatever still runs and forgets what is queued."""
        self._submit = None
        if ray.is_initialized():
            for stream in self._children:
                ray.cancel(stream, force=True)
        self._children.clear()


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
