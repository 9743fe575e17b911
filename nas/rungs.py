"""Early stopping of trials by asynchronous successive halving (1810.05934), as plain data and rules.

A trial reports its reward when it reaches a rung, a number of epochs. It goes on only if it is among the best 1/eta of
the trials that have reached that rung so far, itself included; one trial may always go on. At a rung of 0 epochs, it
reports scores that need no training (`nas.scores`) instead. `workers.pools.rung_pool` applies the rule, a ledger stores
every report with its decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, repeat, takewhile
from operator import mul
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.rewards import Metric, Reward
from nas.trial import Success, outcome_from_json

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class Rungs:
    """Rungs of early stopping.

    Attributes:
        epochs: epochs of each rung, rising and below those of the recipe; empty: `first`, times `eta` for each more.
        first: epochs of the first rung that trains, where `epochs` is empty.
        eta: one in `eta` of the trials that reach a rung goes on.
        scores: names of scores that need no training. Trials are compared by them at one more rung, of 0 epochs, before
            all others; `epochs` ``[0]`` has no other. By several, the mean of the ranks counts. null: no such rung.
    """

    epochs: tuple[Annotated[int, Field(ge=0)], ...] = ()
    first: Annotated[int, Field(ge=1, le=10**9)] = 1
    eta: Annotated[float, Field(gt=1)] = 3.0
    scores: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.scores is None and 0 in self.epochs:
            raise ValueError("a rung of 0 epochs needs scores, got none")
        if list(self.epochs) != sorted(set(self.epochs)):
            raise ValueError(f"rungs must rise, got {', '.join(map(str, self.epochs))}")
        if self.epochs and self.first != 1:
            raise ValueError(f"rungs must be given by epochs or by first, got both, {self.epochs} and {self.first}")

    def resolve(self, num_epochs: int) -> tuple[int, ...]:
        """Returns the epochs of all rungs for trainings of `num_epochs`; raises ValueError if one is beyond its end."""
        rungs = self.epochs
        if not rungs:
            scaled = accumulate(repeat(self.eta, num_epochs.bit_length() + 64), mul, initial=float(self.first))
            below = takewhile(lambda epoch: epoch < num_epochs, scaled)
            rungs = tuple(sorted({round(epoch) for epoch in below} - {num_epochs}))
        if not rungs or rungs[-1] >= num_epochs:
            came = rungs[-1] if rungs else self.first
            raise ValueError(f"rungs must be below the epochs of a training, {num_epochs}, got {came}")
        return rungs if self.scores is None else tuple(sorted({0, *rungs}))


@dataclass(frozen=True, slots=True)
class RungReport:
    """A trial at a rung.

    Attributes:
        num_epochs: epochs of the rung; 0: scores without training.
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
        if type(number) is not int or number < 0 or type(goes_on) is not bool:
            raise ValueError(f"a report must have num_epochs from 0 and goes_on, got {number!r:.40}, {goes_on!r:.40}")
        return cls(number, outcome, goes_on)


class Standing:
    """The trials that have come to one rung so far, compared by a reward, or by the mean of their ranks in several.

    What a trial wins less what it loses against each other one, over all rewards, orders them as these means do.
    """

    def __init__(self, *rewards: Reward) -> None:
        self._rewards = rewards
        self._values = np.empty((len(self._rewards), 0))
        self._won = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        """Number of trials."""
        return len(self._won)

    def add(self, success: Success) -> None:
        """Adds a trial; raises ValueError if it has no such reward."""
        values = self._measure(success)
        won = self._duels(values)
        self._won = np.append(self._won - won, won.sum())
        self._values = np.hstack([self._values, values])

    def place(self, success: Success) -> tuple[int, int]:
        """Returns how many trials are worse than another one, and how many equal it; ValueError as `add`."""
        won = self._duels(self._measure(success))
        own, others = won.sum(), self._won - won
        return int((others < own).sum()), int((others == own).sum())

    def is_among_best(self, success: Success, eta: float) -> bool:
        """Whether another trial is among the best 1/eta of all with itself; those that came earlier win ties."""
        num_worse, _ = self.place(success)
        return len(self) - num_worse < max(1, int((len(self) + 1) / eta))

    def _measure(self, success: Success) -> NDArray[np.float64]:
        """Returns a column of what a trial is compared by."""
        return np.array([[reward(success)] for reward in self._rewards])

    def _duels(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns what a trial wins less what it loses against each one, over all rewards."""
        signs = (self._values < values).view(np.int8) - (self._values > values).view(np.int8)
        won: NDArray[np.int64] = signs.sum(axis=0, dtype=np.int64)
        return won


def standings(rungs: Iterable[int], reward: Reward, scores: Iterable[str] = ()) -> dict[int, Standing]:
    """Returns the standing of each rung, still empty: by the reward, or by the scores at a rung of 0 epochs."""
    return {epochs: Standing(reward) if epochs else Standing(*map(Metric, scores)) for epochs in rungs}


class RankedReward:
    """A reward in [0, 1] by which stopped and finished trials compare, from the ranks of what they reached.

    Accuracies after different numbers of epochs are different quantities, ranks are not. Trials that were stopped at
    the first rung share the lowest 1 - 1/eta of the scale, which is their share of all trials; those stopped at the
    second one the next 1/eta - 1/eta^2, and so on; finished trials the highest 1/eta^K for K rungs. A trial that came
    further is thus never worse. Within its part of the scale, a trial has its rank among those told before it, ties in
    the middle; see `Standing`. It is called once for each trial, in the order of telling, and so is a replay.

    Args:
        reward: of a trial by itself.
        rungs: epochs of the rungs.
        eta: see `Rungs`.
        scores: likewise, for a rung of 0 epochs.
    """

    def __init__(self, reward: Reward, rungs: Iterable[int], eta: float, *, scores: Iterable[str] = ()) -> None:
        self._rungs, self._eta = list(rungs), eta
        self._told = [*standings(self._rungs, reward, scores).values(), Standing(reward)]

    def __call__(self, success: Success) -> float:
        """Returns the reward, between 0 and 1; raises ValueError if the trial was stopped at no rung."""
        if success.stopped_after is None:
            rung = len(self._rungs)
        elif success.stopped_after in self._rungs:
            rung = self._rungs.index(success.stopped_after)
        else:
            rungs = ", ".join(map(str, self._rungs))
            raise ValueError(f"a trial must be stopped at a rung, {rungs}, got {success.stopped_after} epochs")
        told = self._told[rung]
        num_worse, num_equal = told.place(success)
        told.add(success)
        middle = num_worse + (num_equal + 1) / 2
        low, high = 1 - self._eta**-rung, 1 - self._eta ** -(rung + 1)
        return low + (1 - low if rung == len(self._rungs) else high - low) * middle / len(told)
