"""What runs on a worker for one child."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.trial import Outcome, Trial
from workers.guard import guard

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the process of a child may take.

    Attributes:
        memory_bytes: main memory on top of what the process holds when the child starts; None sets no limit.
        gpu_fraction: share of the GPU's memory, for children that share a GPU; None sets no limit.
    """

    memory_bytes: int | None = None
    gpu_fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is the same for every child of a pool, so that it travels once.

    Attributes:
        evaluate: called as ``evaluate(trial, **arguments)``.
        arguments: such as the images.
        limits: what the process of a child may take.
    """

    evaluate: Callable[..., Outcome]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = Limits()


def run_child(work: Work, trial: Trial) -> Iterator[Outcome | None]:
    """Evaluates one trial within its limits.

    Yields:
        None as it starts, when code and arguments have arrived, so that the driver can count the time; then the
        outcome.
    """
    yield None
    with limited_memory(work.limits.memory_bytes):
        if work.limits.gpu_fraction is not None:
            _limit_gpu_memory(work.limits.gpu_fraction)
        outcome = guard(work.evaluate, trial, work.arguments)
    yield outcome


@contextmanager
def limited_memory(num_bytes: int | None) -> Iterator[None]:
    """Within it, this process can allocate no more than so many bytes of private memory on top of what it holds.

    An allocation beyond that fails as on a machine whose memory is full: numpy raises MemoryError, torch RuntimeError.
    No limit is set where the system does not say what a process holds.
    """
    if num_bytes is None or not _STATUS.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = _held_bytes() + num_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
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
