"""Measures what a trial's network costs before it is trained, and refuses what breaks a bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nas.fidelity import NetworkSpec
from nas.latency.measure import measure_latency
from nas.latency.memory import peak_memory_mib
from nas.latency.operations import OperationTable
from nas.latency.settings import LatencySettings
from nas.models.complexity import measure
from nas.models.reference.descriptions import Buildable
from nas.objectives import (
    ACTIVATIONS,
    FULL_MULTIPLY_ADDS,
    FULL_PARAMETERS,
    LATENCY,
    LATENCY_SPREAD,
    OBJECTIVES,
    PEAK_MEMORY,
)
from workers.evaluators.size_limits import TooLargeError

_CLEARLY_ABOVE = 1.2
"""Times its bound, from where a latency need not be measured precisely; the speed of a machine drifts less."""


@dataclass(frozen=True, slots=True)
class CostPlan:
    """Which costs are measured, of which network, and what they may be at most.

    Attributes:
        names: objectives to measure, see `nas.objectives.COSTS`.
        bounds: the largest allowed value of some of them.
        latency: the full network, see `nas.latency.settings.LatencySettings`, and how latency is measured.
        cache_dir: folder of the latencies that were measured before; None: none.
    """

    names: tuple[str, ...] = ()
    bounds: Mapping[str, float] = field(default_factory=dict)
    latency: LatencySettings = field(default_factory=LatencySettings)
    cache_dir: str | None = None

    def measure(self, architecture: Buildable, spec: NetworkSpec, *, predict: bool = False) -> dict[str, float]:
        """Returns the metrics of an architecture, for trials with the network `spec`, the cheapest first.

        With `predict`, nothing is run: latency is that of a table, and left out if there is none.

        Raises:
            TooLargeError: as soon as a bound is broken.
        """
        wanted = {*self.names, *self.bounds}
        if not wanted:
            return {}
        full = self.latency.network(architecture, spec)
        complexity = measure(architecture, full)
        metrics = {ACTIVATIONS: float(complexity.num_activations)}
        if self.latency.is_full:
            metrics |= {
                FULL_PARAMETERS: float(complexity.num_parameters),
                FULL_MULTIPLY_ADDS: float(complexity.num_multiply_adds),
            }
        self._check("activations", complexity.num_activations)
        self._check("parameters", complexity.num_parameters)
        self._check("multiply_adds", complexity.num_multiply_adds)
        if "peak_memory" in wanted:
            metrics[PEAK_MEMORY] = peak_memory_mib(architecture, full, batch=self.latency.batch)
            self._check("peak_memory", metrics[PEAK_MEMORY])
        if "latency" in wanted and not (predict and self.latency.table is None):
            metrics |= self._latency(architecture, spec)
            self._check("latency", metrics[LATENCY])
        return metrics

    def _latency(self, architecture: Buildable, spec: NetworkSpec) -> dict[str, float]:
        if self.latency.table is not None:
            table = OperationTable.read(Path(self.latency.table))
            table.check(self.latency)
            return {LATENCY: table.predict(architecture, self.latency.network(architecture, spec))}
        cache = None if self.cache_dir is None else Path(self.cache_dir)
        bound = _CLEARLY_ABOVE * self.bounds.get("latency", math.inf)
        found = measure_latency(architecture, spec, self.latency, cache=cache, bound_ms=bound)
        return {LATENCY: found.median_ms, LATENCY_SPREAD: found.spread_ms}

    def _check(self, name: str, number: float) -> None:
        bound, objective = self.bounds.get(name), OBJECTIVES[name]
        if bound is not None and not objective.keeps(number, bound):
            shown = name.replace("_", "-") if name == "multiply_adds" else name.replace("_", " ")
            raise TooLargeError(
                f"the network may have {shown} of at most {objective.text(bound)}, got {objective.text(number)}"
            )
