"""The section ``shifts`` of a configuration: which shifts of appearance the reward sees, and which only the test."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.shifts.measure import ShiftPlan
from nas.shifts.table import check_disjoint, check_shifts


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class ShiftSettings:
    """Two sets of shifts with nothing in common: a network chosen for what is tested would prove nothing.

    Attributes:
        reward: measured on the validation images of every trial; the reward ``shifted_accuracy`` takes their mean.
        test: for the test of what was found; `nas robustness RUN` measures them, no trial sees them.
        severity: of the shifts of the reward, 1 to 5.
        seed: of what the shifts draw.
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
        """What every trial is to measure; None if nothing."""
        return ShiftPlan(self.reward, self.severity, self.seed) if self.reward else None

    def check_fits(self, *, reward_name: str, num_channels: int) -> None:
        """Raises ValueError if the reward needs shifts and there are none, or the images cannot undergo one."""
        if reward_name == "shifted_accuracy" and not self.reward:
            raise ValueError("reward shifted_accuracy needs shifts: name some in shifts.reward")
        check_shifts((*self.reward, *self.test), num_channels=num_channels)
