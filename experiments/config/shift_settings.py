"""The section ``shifts`` of a configuration: shifts of appearance for the reward and for the test."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.shifts.measure import ShiftPlan
from nas.shifts.table import check_disjoint, check_shifts


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class ShiftSettings:
    """Two disjoint sets of shifts: a network selected on the shifts of the test would bias it.

    Attributes:
        reward: Evaluated on the validation images of every trial; the reward ``shifted_accuracy`` uses their mean.
        test: Evaluated by `nas robustness RUN` only, in no trial.
        severity: Of the shifts of the reward, 1 to 5.
        seed: Of the random numbers of the shifts.
    """

    reward: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    severity: Annotated[int, Field(ge=1, le=5)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    def __post_init__(self) -> None:
        check_shifts(self.reward)
        check_shifts(self.test)
        check_disjoint(self.reward, self.test)

    @property
    def plan(self) -> ShiftPlan | None:
        """Shifts evaluated in every trial, or None."""
        return ShiftPlan(self.reward, self.severity, self.seed) if self.reward else None

    def check_fits(self, *, reward_name: str, num_channels: int) -> None:
        """Raises ValueError if the reward needs shifts and there are none, or a shift does not support the images."""
        if reward_name == "shifted_accuracy" and not self.reward:
            raise ValueError("reward shifted_accuracy needs at least one shift in shifts.reward")
        check_shifts((*self.reward, *self.test), num_channels=num_channels)
