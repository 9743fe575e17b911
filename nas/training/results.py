"""Results of an epoch and of a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Mean loss (with label smoothing and auxiliary head) and accuracy of one epoch, measured while weights change.

    The learning rate is that of the last step.
    """

    loss: float
    accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Results of the epochs of a training run, its number of steps, and its duration, including data transfer."""

    epochs: tuple[EpochResult, ...]
    num_steps: int
    seconds: float
