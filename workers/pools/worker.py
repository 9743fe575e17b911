"""What runs on a worker for one trial."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.trial import Outcome, Trial
from workers.cluster.resources import Limits
from workers.pools.guard import guard

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Work:
    """What all trials of a pool have in common, sent to the cluster once.

    Attributes:
        evaluate: called as ``evaluate(trial, **arguments)``.
        arguments: keyword arguments of every call, such as the images.
        limits: memory limits of the process that runs a trial.
    """

    evaluate: Callable[..., Outcome]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


def run_trial(work: Work, trial: Trial) -> Iterator[Outcome | None]:
    """Evaluates a trial within its memory limits.

    Yields:
        None when the trial starts, with code and arguments in place, so that the driver can time it; then the outcome.
    """
    yield None
    with limited_memory(work.limits.memory_bytes):
        if work.limits.gpu_fraction is not None:
            _limit_gpu_memory(work.limits.gpu_fraction)
        outcome = guard(work.evaluate, trial, work.arguments)
    yield outcome


@contextmanager
def limited_memory(num_bytes: int | None) -> Iterator[None]:
    """Limits the private memory that this process can allocate on top of what it holds.

    An allocation beyond the limit fails as on a machine whose memory is full: numpy raises MemoryError, torch
    RuntimeError. No limit is set on systems without ``/proc``, which do not say how much a process holds.
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


def _limit_gpu_memory(fraction: float) -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(fraction)
