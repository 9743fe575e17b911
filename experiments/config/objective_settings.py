"""The section ``objectives`` of a search: what its front is made of, and bounds on costs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from nas.fidelity import NetworkSpec
from nas.latency.settings import LatencySettings
from nas.objectives import COSTS, Objectives
from nas.protocols import SearchSpace
from workers.evaluators.costs import CostPlan
from workers.evaluators.size_limits import TooLargeError


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class ObjectiveSettings:
    """Objectives of a search for a front, bounds, and the network of which costs are measured.

    Attributes:
        names: Two or more of accuracy, shifted_accuracy, parameters, multiply_adds, activations, latency (ms),
            peak_memory (MiB), or metrics as NAME:min or NAME:max; empty: the search is for the reward alone.
        bounds: The largest allowed value of some costs, by name; a network above one is not trained.
        latency: The full network of which costs are measured, and how latency is.
    """

    names: tuple[str, ...] = ()
    bounds: dict[str, float] = dataclasses.field(default_factory=dict)
    latency: LatencySettings = LatencySettings()

    def __post_init__(self) -> None:
        if self.names:
            Objectives.of(self.names)
        for name, bound in self.bounds.items():
            if name not in COSTS:
                raise ValueError(f"bounds must be on {', '.join(COSTS)}, got {name:.60}")
            if not (math.isfinite(bound) and bound > 0):
                raise ValueError(f"the bound on {name} must be above 0, got {bound}")

    @property
    def front(self) -> Objectives | None:
        """The objectives of which a front is sought; None if the search is for the reward alone."""
        return Objectives.of(self.names) if self.names else None

    def costs(self, cache_dir: str | None = None) -> CostPlan | None:
        """What a worker measures before it trains a network; None if nothing."""
        names = tuple(name for name in self.names if name in COSTS)
        return CostPlan(names, dict(self.bounds), self.latency, cache_dir) if names or self.bounds else None

    def accepts(self, space: SearchSpace, network: NetworkSpec) -> Callable[[tuple[int, ...]], bool] | None:
        """Whether decisions keep the bounds, as far as that is known without running the network; None: no bounds."""
        if not self.bounds:
            return None
        plan = CostPlan((), dict(self.bounds), self.latency)

        @lru_cache(maxsize=2**16)
        def keeps(decisions: tuple[int, ...]) -> bool:
            described: Any = space.decode(decisions)
            try:
                plan.measure(described, network, predict=True)
            except TooLargeError:
                return False
            return True

        return keeps
