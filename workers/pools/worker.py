"""What runs on a worker for one trial."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.plugins import Session, session
from nas.trial import Outcome, Trial
from workers.cluster.resources import WorkerResources
from workers.pools.guard import guard

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What all trials of a pool have in common, sent to the cluster once; see `workers.pools.ray_pool.RayPool`.

    `plugins` is the first to be unpickled: the evaluator may be code that is plugged in.
    """

    plugins: Session = field(default_factory=session)
    evaluate: Callable[..., Outcome]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    resources: WorkerResources = field(default_factory=WorkerResources)


def run_trial(work: Work, trial: Trial) -> Iterator[Outcome | None]:
    """Evaluates a trial within the limits of main and GPU memory; yields None when it starts, then the outcome."""
    yield None
    work.plugins.restore()
    with limited_memory(work.resources.memory_bytes):
        if 0 < work.resources.gpus < 1:
            import torch

            if torch.cuda.is_available():
                torch.cuda.set_per_process_memory_fraction(work.resources.gpus)
        outcome = guard(work.evaluate, trial, work.arguments)
    yield outcome


@contextmanager
def limited_memory(num_bytes: int | None) -> Iterator[None]:
    """Limits the private memory that this process can allocate on top of what it holds, on systems with ``/proc``.

    Beyond the limit numpy raises MemoryError, torch RuntimeError.
    """
    if num_bytes is None or not _STATUS.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _held_bytes() + num_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _held_bytes() -> int:
    """Private writable memory of this process, which is what RLIMIT_DATA counts."""
    line = next(line for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines() if "VmData" in line)
    return int(line.split()[1]) * 1024
