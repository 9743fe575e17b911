"""What runs on a worker for the children of one task."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.trial import Outcome, Trial
from workers.pools.bundle import TASK_SECONDS, Report
from workers.pools.guard import guard

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


def run_children(work: Work, trials: Sequence[Trial]) -> Iterator[Report]:
    """Evaluates trials one after the other, each within its limits.

    Yields:
        An empty report as the first starts, when code and arguments have arrived, so that the driver can count the
        time; then the outcomes, those of very short children together.
    """
    yield Report()
    ended: list[Outcome] = []
    told_at = time.perf_counter()
    for trial in trials:
        ended.append(_run_child(work, trial))
        if (now := time.perf_counter()) - told_at >= TASK_SECONDS or trial is trials[-1]:
            yield Report(tuple(ended), now - told_at)
            ended, told_at = [], time.perf_counter()


def _run_child(work: Work, trial: Trial) -> Outcome:
    with limited_memory(work.limits.memory_bytes):
        if work.limits.gpu_fraction is not None:
            _limit_gpu_memory(work.limits.gpu_fraction)
        return guard(work.evaluate, trial, work.arguments)


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
