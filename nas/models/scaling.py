"""Scaling of the network width to a budget, as the papers do for their mobile setting (1707.07012, section 4.2)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from nas.fidelity import NetworkSpec
from nas.models.complexity import Complexity, measure
from nas.models.reference.descriptions import Buildable

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
_MOST_FILTERS = 2**20
_MOST_GUESSES = 8


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

    def usage(self, cost: Complexity) -> float:
        """Returns the largest share of a bound that a network of this cost takes; above 1 it exceeds the budget."""
        bounds = ((cost.num_parameters, self.parameters), (cost.num_multiply_adds, self.multiply_adds))
        return max(amount / bound for amount, bound in bounds if bound is not None)

    def holds(self, cost: Complexity) -> bool:
        """Returns whether a network of this cost is within the budget."""
        return self.usage(cost) <= 1

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

    # the cost grows about with the square of the width, which tells where to look; bisection bounds the number of looks
    known: dict[int, Complexity] = {}
    fits, too_many, latest = 0, _MOST_FILTERS // step + 1, max(1, spec.num_filters // step)
    while too_many - fits > 1:
        known[latest] = cost(latest)
        usage = budget.usage(known[latest])
        fits, too_many = (latest, too_many) if usage <= 1 else (fits, latest)
        guess = int(latest / math.sqrt(usage)) if len(known) < _MOST_GUESSES else (fits + too_many) // 2
        latest = min(max(guess, fits + 1), too_many - 1)
    if fits == 0:
        raise ValueError(
            f"a network with N = {spec.num_repeats} has at least {known[1].num_parameters:,} parameters and "
            f"{known[1].num_multiply_adds:,} multiply-adds at {spec.image_size} pixels, got a budget of {budget}"
        )
    if too_many > _MOST_FILTERS // step:
        raise ValueError(f"a budget must bound the width of the network, got {budget}")
    return replace(spec, num_filters=fits * step), known[fits]
