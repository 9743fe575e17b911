"""Progress and results of an epoch and of a training run."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Mean loss (with label smoothing and auxiliary head) and accuracy of one epoch, measured while weights change.

    The learning rate is that of the last step. `wait_seconds` is the part of the time in which there were no images to
    train on.
    """

    loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Results of the epochs of a training run, its number of steps, and its duration, including data transfer."""

    epochs: tuple[EpochResult, ...]
    num_steps: int
    seconds: float


@dataclass(slots=True)
class EpochProgress:
    """How far an epoch has come.

    Attributes:
        done: completed steps.
        seconds: duration so far, over all sessions.
        wait_seconds: the part of it without images to train on.
        generator_state: of the batches' generator at the start of the epoch; None if they have none.
    """

    done: int = 0
    seconds: float = 0.0
    wait_seconds: float = 0.0
    generator_state: Tensor | None = None

    def to_json(self) -> dict[str, float]:
        """Returns plain data for a checkpoint."""
        return {"done": self.done, "seconds": self.seconds, "wait_seconds": self.wait_seconds}

    @classmethod
    def from_json(cls, value: Mapping[str, float]) -> EpochProgress:
        """Rebuilds the progress of an epoch; without values, that before its first step."""
        return cls(int(value["done"]), value["seconds"], value["wait_seconds"]) if value else cls()


@dataclass(frozen=True, slots=True)
class StepReport:
    """How far a training is after a step.

    Attributes:
        epoch: number of the epoch, from 1.
        done: completed steps of the epoch.
        num_steps: steps of an epoch.
        num_images: images of a step, over all workers.
        seconds: duration of the epoch so far, over all sessions.
        wait_seconds: the part of it without images to train on.
    """

    epoch: int
    done: int
    num_steps: int
    num_images: int
    seconds: float
    wait_seconds: float


def peak_memory() -> dict[str, int]:
    """Returns the most memory of this process so far, ``peak_bytes``, and that on a GPU, ``peak_gpu_bytes``, if any."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        peak["peak_gpu_bytes"] = torch.cuda.max_memory_allocated()
    return peak


class Stopwatch:
    """Measures the time of an epoch, and the part of it spent waiting for the next batch."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._waited = 0.0

    def waiting_for(self, batches: Iterable[_T]) -> Iterator[_T]:
        """Yields batches and measures how long each takes to arrive."""
        iterator = iter(batches)
        while True:
            asked = time.perf_counter()
            batch = next(iterator, None)
            self._waited += time.perf_counter() - asked
            if batch is None:
                return
            yield batch

    def add_to(self, progress: EpochProgress) -> None:
        """Adds the time since the last call."""
        now = time.perf_counter()
        progress.seconds += now - self._last
        progress.wait_seconds += self._waited
        self._last, self._waited = now, 0.0


class Timer:
    """Tells every few minutes that something is due; never for None."""

    def __init__(self, minutes: float | None) -> None:
        self._minutes = minutes
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Whether the time has passed since this was last true."""
        if self._minutes is None or time.monotonic() - self._last < 60 * self._minutes:
            return False
        self._last = time.monotonic()
        return True
