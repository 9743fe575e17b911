"""Objectives of a search: named numbers of a trial's outcome, each with the direction in which it is better.

A front, bounds and the values that a controller is told are functions of them, so all of them follow from a ledger.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Self

from nas.trial import Success

ACTIVATIONS, LATENCY, LATENCY_SPREAD, PEAK_MEMORY = "activations", "latency_ms", "latency_spread_ms", "peak_memory_mib"
FULL_PARAMETERS, FULL_MULTIPLY_ADDS = "full_parameters", "full_multiply_adds"
"""Names of the metrics of an outcome that hold measured costs."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A number of an outcome.

    Attributes:
        name: as in tables.
        read: returns it; raises KeyError if the trial did not measure it.
        maximized: whether more is better.
        unit: shown behind it.
    """

    name: str
    read: Callable[[Success], float]
    maximized: bool = False
    unit: str = ""

    @property
    def setting(self) -> str:
        """What names it in a configuration: of a metric, the direction too."""
        return self.name if self.name in OBJECTIVES else f"{self.name}:{'max' if self.maximized else 'min'}"

    def number(self, success: Success) -> float:
        """Returns the number as measured; raises ValueError if the trial did not measure it."""
        try:
            return float(self.read(success))
        except KeyError as error:
            found = ", ".join(success.metrics) or "none"
            raise ValueError(
                f"objective {self.name} needs the metric {error.args[0]}, which trial {success.trial_id} did not "
                f"measure: its metrics are {found:.200}"
            ) from None

    def value(self, success: Success) -> float:
        """Returns the number, negated if less is better."""
        return self.number(success) if self.maximized else -self.number(success)

    def keeps(self, number: float, bound: float) -> bool:
        """Whether a number is within a bound: at least it if more is better, else at most."""
        return number >= bound if self.maximized else number <= bound

    def text(self, number: float) -> str:
        """The number with its unit, for people."""
        if self.unit == "%":
            return f"{number:.2%}"
        return f"{number:,.0f}" if not self.unit else f"{number:,.3f} {self.unit}"


def _metric(name: str) -> Callable[[Success], float]:
    return lambda success: success.metrics[name]


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        each.name: each
        for each in (
            Objective("accuracy", attrgetter("accuracy"), maximized=True, unit="%"),
            Objective("shifted_accuracy", _metric("shifted_accuracy"), maximized=True, unit="%"),
            Objective("parameters", lambda success: success.metrics.get(FULL_PARAMETERS, success.num_parameters)),
            Objective(
                "multiply_adds", lambda success: success.metrics.get(FULL_MULTIPLY_ADDS, success.num_multiply_adds)
            ),
            Objective("activations", _metric(ACTIVATIONS)),
            Objective("latency", _metric(LATENCY), unit="ms"),
            Objective("peak_memory", _metric(PEAK_MEMORY), unit="MiB"),
        )
    }
)
"""Objectives by name. Any other name, with ``:min`` or ``:max`` behind it, is a metric of the outcome."""

COSTS = tuple(name for name, each in OBJECTIVES.items() if not each.maximized)
"""Those that are known before a network is trained."""


def find_objective(name: str) -> Objective:
    """Returns an objective by name; a metric is named ``NAME:min`` or ``NAME:max``. ValueError if there is none."""
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    metric, colon, goal = name.rpartition(":")
    if not colon or goal not in ("min", "max") or not metric:
        known = ", ".join(OBJECTIVES)
        raise ValueError(f"an objective must be one of {known}, or a metric as NAME:min or NAME:max, got {name!r:.60}")
    return Objective(metric, _metric(metric), maximized=goal == "max")


@dataclass(frozen=True, slots=True)
class Objectives(Sequence[Objective]):
    """Two or more objectives of a search, of which a front is sought.

    Example:
        >>> import nas
        >>> objectives = nas.Objectives.of(["accuracy", "parameters"])
        >>> objectives(nas.Success(0, accuracy=0.9, num_parameters=1000))
        (0.9, -1000.0)
    """

    each: tuple[Objective, ...]

    def __post_init__(self) -> None:
        names = [objective.name for objective in self.each]
        if len(names) < 2 or len(set(names)) != len(names):
            raise ValueError(f"objectives must be two or more, each once, got {', '.join(names) or 'none'}")

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Returns objectives by name, see `find_objective`."""
        return cls(tuple(map(find_objective, names)))

    def __call__(self, success: Success) -> tuple[float, ...]:
        """Returns the values of a trial, higher is better; ValueError if one was not measured or is not finite."""
        values = tuple(objective.value(success) for objective in self.each)
        if not all(map(math.isfinite, values)):
            raise ValueError(f"the objectives of trial {success.trial_id} must be finite, got {values}")
        return values

    def __len__(self) -> int:
        return len(self.each)

    def __getitem__(self, place: int) -> Objective:  # type: ignore[override]
        return self.each[place]
