"""Run jobs on a Ray cluster, one per Ray task, and replace workers that are lost."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from nas.files.storage import StorageError
from nas.plugins import Session, session
from workers.cluster.resources import WorkerResources
from workers.cluster.signals import wait_for_any
from workers.errors import describe_error, first_line

_LOGGER = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
_WARN_SECONDS = 60.0
_LOOK_SECONDS = 1.0


class Job(Protocol):
    """What a worker does, with a unique name."""

    @property
    def name(self) -> str:
        """The name, for messages."""
        ...


@dataclass(frozen=True, slots=True)
class JobFailure:
    """The outcome of a job that failed; `error` is one line."""

    error: str


J = TypeVar("J", bound=Job)
R = TypeVar("R")


def supervise(
    jobs: Sequence[J], resources: WorkerResources, work: Callable[[J], R]
) -> Iterator[tuple[J, R | JobFailure]]:
    """Runs jobs on the connected Ray cluster, and yields each with its outcome when it finishes.

    A job that raises fails and is not retried. A job whose worker or node is lost is retried at most
    `resources.max_retries` times: `work` must resume it. Closing the generator stops running jobs. `work` runs a job,
    and must be importable on the nodes. Raises RuntimeError without a connection to a cluster.
    """
    if not ray.is_initialized():
        raise RuntimeError("jobs need a Ray cluster: enter workers.cluster.connection.connect() first")
    task: Any = ray.remote(
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
        resources=dict(resources.custom),
        max_retries=0,  # counted below: Ray retries tasks that ran out of memory without limit
        max_calls=resources.recycle_after,
    )(_run)
    plugins = session()
    waiting, running = deque(jobs), dict[Any, J]()
    lost: Counter[str] = Counter()
    warn_at = time.monotonic() + _LOOK_SECONDS
    try:
        while waiting or running:
            while waiting and len(running) < (resources.max_workers or len(jobs)):
                job = waiting.popleft()
                running[task.remote(work, job, plugins)] = job
            if (ready := wait_for_any(running, timeout_seconds=_POLL_SECONDS)) is None:
                warn_at = _warn_if_no_room(resources, warn_at)
                continue
            job = running.pop(ready)
            ended = _take(ready)
            if isinstance(ended, RayError) and lost[job.name] < resources.max_retries:
                lost[job.name] += 1
                _LOGGER.warning("retrying %s, its worker was lost: %s", job.name, first_line(ended))
                waiting.appendleft(job)
            elif isinstance(ended, RayError):
                yield job, JobFailure(f"{lost[job.name] + 1} workers were lost, the last: {first_line(ended)}")
            else:
                yield job, ended
    finally:
        for each in running:
            ray.cancel(each, force=True)


def _run(work: Callable[[J], R], job: J, plugins: Session) -> R:
    plugins.restore()
    return work(job)


def _take(done: Any) -> Any:  # noqa: ANN401 - Ray's references have no type
    """Returns the outcome of a task; a RayError if its worker or node was lost."""
    try:
        return ray.get(done)
    except RayTaskError as error:
        if isinstance(error.cause, StorageError):  # not a result of the training, which can be resumed
            raise StorageError(str(error.cause)) from None
        return JobFailure(describe_error(error.cause) if isinstance(error.cause, Exception) else first_line(error))
    except RayError as error:
        return error


def _warn_if_no_room(resources: WorkerResources, warn_at: float) -> float:
    """Warns if no node has room for a job, which would look like a hang; returns the time of the next check."""
    if time.monotonic() < warn_at:
        return warn_at
    if not resources.count_workers(ray.nodes()):  # type: ignore[no-untyped-call]
        _LOGGER.warning("the cluster has no node with room for a training, %s; waiting", resources.demand)
    return time.monotonic() + _WARN_SECONDS
