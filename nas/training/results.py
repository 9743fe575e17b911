"""Progress and results of an epoch and of a training run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from nas.training.objective import EpochSums

_EPOCH = "epoch"
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

    A run that is resumed within an epoch with several workers continues with the sums of the first of them: loss and
    accuracy of that epoch are then those of its images before the interruption, and of all images after it.

    Attributes:
        sums: loss and accuracy.
        done: completed steps.
        seconds: duration so far, over all sessions.
        wait_seconds: the part of it without images to train on.
        generator_state: of the batches' generator at the start of the epoch; None if they have none.
    """

    sums: EpochSums
    done: int = 0
    seconds: float = 0.0
    wait_seconds: float = 0.0
    generator_state: Tensor | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for a checkpoint; nothing before the first step."""
        if not self.done:
            return {}
        values = {"done": self.done, "seconds": self.seconds, "wait_seconds": self.wait_seconds}
        return {_EPOCH: {**values, **self.sums.to_json()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], device: torch.device) -> EpochProgress:
        """Rebuilds the progress that a checkpoint names, or that of an epoch before its first step."""
        if (value := values.get(_EPOCH)) is None:
            return cls(EpochSums(device))
        sums = EpochSums.from_json(value, device)
        return cls(sums, int(value["done"]), value["seconds"], value["wait_seconds"])


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
