"""Results of an epoch and of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Result of one pass over the training split.

    Attributes:
        loss: mean training loss, including label smoothing and auxiliary head.
        accuracy: training accuracy on augmented images, measured while the weights changed.
        learning_rate: learning rate of the last step.
        seconds: duration.
    """

    loss: float
    accuracy: float
    learning_rate: float
    seconds: float

    def to_json(self) -> dict[str, float]:
        """Returns plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Result of a training run.

    Attributes:
        epochs: results of the epochs, in order.
        num_steps: number of optimization steps.
        seconds: duration, including data transfer.
    """

    epochs: tuple[EpochResult, ...]
    num_steps: int
    seconds: float
