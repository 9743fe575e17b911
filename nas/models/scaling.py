"""Scaling of the network width to a budget, as the papers do for their mobile setting (1707.07012, section 4.2)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from nas.fidelity import NetworkSpec
from nas.models.build import Buildable
from nas.models.complexity import Complexity, measure

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
_MOST_FILTERS = 2**20


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper bounds on the cost of a network, without the auxiliary head; None means unbounded.

    Attributes:
        parameters: trainable parameters.
        multiply_adds: multiply-adds of convolutions and linear layers per image.
    """

    parameters: int | None = None
    multiply_adds: int | None = None

    def __post_init__(self) -> None:
        if not self._bounds():
            raise ValueError("a budget must bound parameters or multiply-adds")
        for name, amount in self._bounds():
            if amount < 1:
                raise ValueError(f"a budget of {name} must be at least 1, got {amount}")

    def holds(self, cost: Complexity) -> bool:
        """Returns whether a network of this cost is within the budget."""
        return (self.parameters is None or cost.num_parameters <= self.parameters) and (
            self.multiply_adds is None or cost.num_multiply_adds <= self.multiply_adds
        )

    def __str__(self) -> str:
        """Returns text such as ``600,000,000 multiply-adds``."""
        return " and ".join(f"{amount:,} {name}" for name, amount in self._bounds())

    def _bounds(self) -> list[tuple[str, int]]:
        bounds = (("parameters", self.parameters), ("multiply-adds", self.multiply_adds))
        return [(name, amount) for name, amount in bounds if amount is not None]


def parse_amount(text: str) -> int:
    """Parses a number with an optional unit K, M, G or B, such as ``5.3M``; raises ValueError if it is not above 0."""
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([KMGB]?)\s*", text.upper(), re.ASCII)
    amount = 0 if match is None else math.floor(float(match[1]) * _UNITS[match[2]] + 0.5)
    if amount < 1:
        raise ValueError(f"an amount must be a number such as 600M, 5.3M or 24000000, got {text!r:.40}")
    return amount


def widest(architecture: Buildable, spec: NetworkSpec, budget: Budget) -> tuple[NetworkSpec, Complexity]:
    """Returns the spec with the largest number of filters within a budget, at its image size, and the cost.

    Raises:
        ValueError: if even the narrowest network exceeds the budget, or the budget allows any width.
    """
    step = 2 ** max(1, spec.num_stem_cells)  # stem cells halve the filters, reduction cells need an even number

    def cost(number: int) -> Complexity:
        return measure(architecture, replace(spec, num_filters=number * step))

    fits, too_many = 0, 1
    while budget.holds(cost(too_many)):
        fits, too_many = too_many, 2 * too_many
        if too_many * step > _MOST_FILTERS:
            raise ValueError(f"a budget must bound the width of the network, got {budget}")
    if fits == 0:
        least = cost(1)
        raise ValueError(
            f"a network with N = {spec.num_repeats} has at least {least.num_parameters:,} parameters and "
            f"{least.num_multiply_adds:,} multiply-adds at {spec.image_size} pixels, got a budget of {budget}"
        )
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if budget.holds(cost(middle)) else (fits, middle)
    return replace(spec, num_filters=fits * step), cost(fits)
