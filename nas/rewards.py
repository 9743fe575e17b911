"""Rewards: functions that map a `nas.trial.Success` to a number, higher is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.plugins import Table
from nas.trial import Success

Reward: TypeAlias = Callable[[Success], float]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class Accuracy:
    """Uses the validation accuracy, as NASNet does (1707.07012, appendix A.2).

    Example:
        >>> import nas
        >>> nas.Accuracy()(nas.Success(0, accuracy=0.9))
        0.9
    """

    def __call__(self, success: Success) -> float:
        """Returns the accuracy, between 0 and 1."""
        return success.accuracy


@dataclass(frozen=True, slots=True, config=_STRICT)
class CostedAccuracy:
    """Scales accuracy by a power of the relative cost of the network, as MnasNet's weighted product (1807.11626).

    Attributes:
        target_multiply_adds: multiply-adds at which the factor is 1.
        exponent: influence of the cost, at most 0: with -0.1, doubling the cost multiplies the reward by 0.93.

    Example:
        >>> import nas
        >>> reward = nas.CostedAccuracy(target_multiply_adds=1e6, exponent=-0.5)
        >>> reward(nas.Success(0, accuracy=0.8, num_multiply_adds=4_000_000))
        0.4
    """

    target_multiply_adds: Annotated[float, Field(gt=0)]
    exponent: Annotated[float, Field(le=0)]

    def __call__(self, success: Success) -> float:
        """Returns accuracy * (multiply-adds / target) ** exponent."""
        relative = max(success.num_multiply_adds, 1) / self.target_multiply_adds
        return float(success.accuracy * relative**self.exponent)


@dataclass(frozen=True, slots=True, config=_STRICT)
class ShiftedAccuracy:
    """Averages the accuracy on clean validation images and under appearance shifts.

    Requires the metric ``shifted_accuracy``, the mean over all shifts, which evaluators add if shifts are configured.

    Attributes:
        clean_weight: weight of the clean accuracy, at least 0. The weights are divided by their sum.
        shifted_weight: weight of the shifted accuracy, at least 0.

    Example:
        >>> import nas
        >>> nas.ShiftedAccuracy()(nas.Success(0, accuracy=0.75, metrics={"shifted_accuracy": 0.25}))
        0.5
    """

    clean_weight: Annotated[float, Field(ge=0)] = 0.5
    shifted_weight: Annotated[float, Field(ge=0)] = 0.5

    def __post_init__(self) -> None:
        if self.clean_weight + self.shifted_weight <= 0:
            raise ValueError("clean_weight and shifted_weight must not both be 0")

    def __call__(self, success: Success) -> float:
        """Returns the weighted mean, between 0 and 1; raises ValueError if shifted accuracy was not measured."""
        if "shifted_accuracy" not in success.metrics:
            raise ValueError(f"trial {success.trial_id} must have the metric shifted_accuracy: no shifts were measured")
        total = self.clean_weight * success.accuracy + self.shifted_weight * success.metrics["shifted_accuracy"]
        return total / (self.clean_weight + self.shifted_weight)


@dataclass(frozen=True, slots=True, config=_STRICT)
class Metric:
    """Uses a metric of the outcome, such as a score that needs no training.

    Attributes:
        metric: name of the metric; higher must be better.

    Example:
        >>> import nas
        >>> nas.Metric("naswot")(nas.Success(0, accuracy=0.0, metrics={"naswot": 412.5}))
        412.5
    """

    metric: Annotated[str, Field(min_length=1)]

    def __call__(self, success: Success) -> float:
        """Returns the metric; raises ValueError if it was not measured."""
        if self.metric not in success.metrics:
            found = ", ".join(success.metrics) or "none"
            raise ValueError(f"trial {success.trial_id} must have the metric {self.metric}, got {found:.200}")
        return success.metrics[self.metric]


def _from_outside(value: Any) -> type[Any]:  # noqa: ANN401 - any object
    """Returns a class of rewards as it is, and one without settings for a function."""
    if isinstance(value, type):
        return value
    if not callable(value):
        raise ValueError(f"a reward must be a function of a Success, or a class of such, got {value!r:.100}")
    return dataclass(type("Given", (), {"__call__": lambda _self, success: value(success)}), frozen=True)


REWARDS: Table[type[Any]] = Table(
    "reward",
    {
        "accuracy": Accuracy,
        "costed_accuracy": CostedAccuracy,
        "shifted_accuracy": ShiftedAccuracy,
        "metric": Metric,
    },
    _from_outside,
)
"""Rewards by name; each class makes a `Reward`."""
