"""Accuracy of a network when the appearance of its images shifts."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from nas.data.data_set import DataSet, Split
from nas.fidelity import TrainRecipe
from nas.shifts.table import check_shifts, shift_split
from nas.training.loop import accuracy


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """Which shifts are measured.

    Attributes:
        names: keys of `nas.shifts.table.SHIFTS`, at least one.
        severity: 1 to 5.
        seed: of what the shifts draw.
    """

    names: tuple[str, ...]
    severity: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if not check_shifts(self.names):
            raise ValueError("a plan of shifts must hold at least one, got none")


def shifted_accuracies(
    network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe, *, plan: ShiftPlan
) -> dict[str, float]:
    """Measures a network under each shift of a plan.

    Args:
        network: gives logits in evaluation mode.
        split: the images before they are shifted.
        data: whose mean and deviation normalize them.
        recipe: device, precision and so on.
        plan: the shifts.

    Returns:
        ``accuracy_<shift>`` for each shift and ``shifted_accuracy``, their mean; all between 0 and 1.

    Raises:
        ValueError: if the images cannot undergo a shift.
        DivergedError: if a logit is not finite.
    """
    shares = {}
    for name in plan.names:
        shifted = shift_split(split, name, severity=plan.severity, seed=plan.seed)
        shares[f"accuracy_{name}"] = accuracy(network, shifted, data, recipe)
    return {"shifted_accuracy": sum(shares.values()) / len(shares), **shares}
