"""Early stopping of trials by asynchronous successive halving (1810.05934), as plain data and rules.

A trial reports its reward when it reaches a rung, a number of epochs. It goes on only if it is among the best 1/eta of
the trials that have reached that rung so far, itself included; one trial may always go on. `workers.pools.rung_pool`
applies the rule, a ledger stores every report with its decision.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.rewards import Reward
from nas.trial import Success, outcome_from_json

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class Rungs:
    """Rungs of early stopping.

    Attributes:
        epochs: epochs of each rung, rising and below those of the recipe; empty: `first`, times `eta` for each more.
        first: epochs of the first rung, where `epochs` is empty.
        eta: one in `eta` of the trials that reach a rung goes on.
    """

    epochs: tuple[Annotated[int, Field(ge=1)], ...] = ()
    first: Annotated[int, Field(ge=1)] = 1
    eta: Annotated[float, Field(gt=1)] = 3.0

    def __post_init__(self) -> None:
        if list(self.epochs) != sorted(set(self.epochs)):
            raise ValueError(f"rungs must rise, got {', '.join(map(str, self.epochs))}")
        if self.epochs and self.first != 1:
            raise ValueError(f"rungs must be given by epochs or by first, got both, {self.epochs} and {self.first}")

    def resolve(self, num_epochs: int) -> tuple[int, ...]:
        """Returns the epochs of all rungs for trainings of `num_epochs`; raises ValueError if one is beyond its end."""
        rungs = self.epochs
        if not rungs:
            scaled = (round(self.first * self.eta**power) for power in range(num_epochs.bit_length() + 64))
            rungs = tuple(sorted({epoch for epoch in scaled if epoch < num_epochs}))
        if not rungs or rungs[-1] >= num_epochs:
            came = rungs[-1] if rungs else self.first
            raise ValueError(f"rungs must be below the epochs of a training, {num_epochs}, got {came}")
        return rungs


@dataclass(frozen=True, slots=True)
class RungReport:
    """A trial at a rung.

    Attributes:
        num_epochs: epochs of the rung.
        outcome: what the trial had reached there; its seconds are those since the start of the trial.
        goes_on: whether the trial was trained further.
    """

    num_epochs: int
    outcome: Success
    goes_on: bool

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return {"num_epochs": self.num_epochs, "goes_on": self.goes_on, "outcome": self.outcome.to_json()}

    @classmethod
    def from_json(cls, value: Any) -> RungReport:  # noqa: ANN401 - any JSON value
        """Rebuilds a report; raises ValueError if the value does not describe one."""
        outcome = outcome_from_json(value.get("outcome")) if isinstance(value, dict) else None
        if not isinstance(outcome, Success):
            raise ValueError(f"a report must be an object with a successful outcome, got {value!r:.100}")
        number, goes_on = value.get("num_epochs"), value.get("goes_on")
        if type(number) is not int or number < 1 or type(goes_on) is not bool:
            raise ValueError(f"a report must have num_epochs from 1 and goes_on, got {number!r:.40}, {goes_on!r:.40}")
        return cls(number, outcome, goes_on)


def is_among_best(value: float, others: Sequence[float], eta: float) -> bool:
    """Whether a value is among the best 1/eta of itself and the others, which came earlier and win ties."""
    num_best = max(1, int((len(others) + 1) / eta))
    return sum(other >= value for other in others) < num_best


class RankedReward:
    """A reward in [0, 1] by which stopped and finished trials compare, from the ranks of what they reached.

    Accuracies after different numbers of epochs are different quantities, ranks are not. Trials that were stopped at
    the first rung share the lowest 1 - 1/eta of the scale, which is their share of all trials; those stopped at the
    second one the next 1/eta - 1/eta^2, and so on; finished trials the highest 1/eta^K for K rungs. A trial that came
    further is thus never worse. Within its part of the scale, a trial has the rank of its reward among those told
    before it, ties in the middle. It is called once for each trial, in the order of telling, and so is a replay.

    Args:
        reward: of a trial by itself.
        rungs: epochs of the rungs.
        eta: see `Rungs`.
    """

    def __init__(self, reward: Reward, rungs: Iterable[int], eta: float) -> None:
        self._reward, self._rungs, self._eta = reward, list(rungs), eta
        self._told: list[list[float]] = [[] for _ in range(len(self._rungs) + 1)]

    def __call__(self, success: Success) -> float:
        """Returns the reward, between 0 and 1; raises ValueError if the trial was stopped at no rung."""
        if success.stopped_after is None:
            rung = len(self._rungs)
        elif success.stopped_after in self._rungs:
            rung = self._rungs.index(success.stopped_after)
        else:
            rungs = ", ".join(map(str, self._rungs))
            raise ValueError(f"a trial must be stopped at a rung, {rungs}, got {success.stopped_after} epochs")
        value, told = self._reward(success), self._told[rung]
        bisect.insort(told, value)
        middle = (bisect.bisect_left(told, value) + bisect.bisect_right(told, value)) / 2
        low, high = 1 - self._eta**-rung, 1 - self._eta ** -(rung + 1)
        return low + (1 - low if rung == len(self._rungs) else high - low) * middle / len(told)
