"""What comes of an epoch and of a training."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One pass over the training split.

    Attributes:
        loss: mean over its images, label smoothing and auxiliary head included.
        accuracy: share of right answers on the augmented images, while the network changed.
        learning_rate: of its last step.
        seconds: that it took.
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
    """What came of a training.

    Attributes:
        epochs: one result each, in order.
        num_steps: changes of the weights.
        seconds: that the training took, moving the data included.
    """

    epochs: tuple[EpochResult, ...]
    num_steps: int
    seconds: float
