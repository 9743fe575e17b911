"""Results of robustness and divergence measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.comparison.plain_data import to_plain
from experiments.comparison.statistics import CONFIDENCE, Interval


@dataclass(frozen=True, slots=True)
class ShiftInfo:
    """One shift: its description, and its strength at each severity from 1 to 5."""

    meaning: str
    strengths: Any


@dataclass(frozen=True, slots=True)
class ShiftScore:
    """Accuracy under one shift at one severity, and its drop from the accuracy on the unshifted images."""

    accuracy: Interval
    drop: Interval


@dataclass(frozen=True, slots=True)
class WorstShift(Interval):
    """The lowest accuracy under any shift and severity."""

    shift: str = ""
    severity: int = 0


@dataclass(frozen=True, slots=True)
class NetworkRobustness:
    """Robustness of one network.

    Attributes:
        name: of the network.
        clean: accuracy on the unshifted images.
        shifts: scores by name of the shift and severity.
        mean: mean accuracy over all shifts and severities.
        drop: difference of `clean` and `mean`.
        worst: the lowest accuracy.
        rewarded_for: shifts under which the reward of its search was measured, so that they are no test.
        num_parameters: of the network.
    """

    name: str
    clean: Interval
    shifts: Mapping[str, Mapping[str, ShiftScore]]
    mean: Interval
    drop: Interval
    worst: WorstShift
    rewarded_for: tuple[str, ...]
    num_parameters: int


@dataclass(frozen=True, slots=True)
class RobustnessDifference:
    """Differences of one network to the first, on the same images."""

    name: str
    clean: Interval
    mean: Interval
    drop: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """Robustness of several networks on the same images.

    Attributes:
        num_images: number of test images.
        seed: of the shifts and the intervals.
        severities: ascending.
        shifts: by name.
        networks: in the order given.
        differences: of each network but the first to the first.
        confidence: of the intervals, which are bootstrapped over images.
    """

    num_images: int
    seed: int
    severities: tuple[int, ...]
    shifts: Mapping[str, ShiftInfo]
    networks: tuple[NetworkRobustness, ...]
    differences: tuple[RobustnessDifference, ...]
    confidence: float = CONFIDENCE

    def to_json(self) -> dict[str, Any]:
        """Returns plain data."""
        plain: dict[str, Any] = to_plain(self)
        return plain


@dataclass(frozen=True, slots=True)
class LayerDivergence:
    """Divergence of the features of one layer between shifted images, and between classes."""

    name: str
    appearance: float
    content: float


@dataclass(frozen=True, slots=True)
class NetworkDivergence:
    """Divergences of the layers of one network, in order of depth."""

    name: str
    layers: tuple[LayerDivergence, ...]


@dataclass(frozen=True, slots=True)
class Divergence:
    """Divergences of several networks on the same images.

    Attributes:
        num_images: number of test images.
        shift: name and severity.
        classes: whose divergence is measured.
        networks: in the order given.
    """

    num_images: int
    shift: str
    classes: str
    networks: tuple[NetworkDivergence, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns plain data."""
        plain: dict[str, Any] = to_plain(self)
        return plain
