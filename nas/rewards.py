"""What a controller is told of a success: callables from `nas.trial.Success` to a number, higher is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.trial import Success

Reward: TypeAlias = Callable[[Success], float]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class Accuracy:
    """Accuracy on the validation split, as in NASNet (1707.07012, appendix A.2)."""

    def __call__(self, success: Success) -> float:
        """Returns the accuracy, between 0 and 1."""
        return success.accuracy


@dataclass(frozen=True, slots=True, config=_STRICT)
class CostedAccuracy:
    """Accuracy times a power of the network's cost relative to a target: the weighted product of MnasNet (1807.11626).

    Attributes:
        target_multiply_adds: multiply-adds at which the factor is 1.
        exponent: how strongly cost counts, at most 0: at -0.1, twice the cost multiplies the reward by 0.93.
    """

    target_multiply_adds: Annotated[float, Field(gt=0)]
    exponent: Annotated[float, Field(le=0)]

    def __call__(self, success: Success) -> float:
        """Returns accuracy * (multiply-adds / target) ** exponent."""
        relative = max(success.num_multiply_adds, 1) / self.target_multiply_adds
        return float(success.accuracy * relative**self.exponent)


REWARDS: Mapping[str, type[Accuracy | CostedAccuracy]] = MappingProxyType(
    {"accuracy": Accuracy, "costed_accuracy": CostedAccuracy}
)
