"""Results of robustness and divergence measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.comparison.plain_data import PlainData
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
        clean: accuracy on the unshifted images.
        mean: mean accuracy over all shifts and severities; `drop` is its distance from `clean`.
        rewarded_for: shifts under which the reward of its search was measured, so that they are no test.
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
class Robustness(PlainData):
    """Robustness of several networks on the same images, with intervals bootstrapped over images.

    Attributes:
        images: numbers of images of a folder that are used and left out, see `DataReport.counts`.
    """

    num_images: int
    seed: int
    severities: tuple[int, ...]
    shifts: Mapping[str, ShiftInfo]
    networks: tuple[NetworkRobustness, ...]
    differences: tuple[RobustnessDifference, ...]
    confidence: float = CONFIDENCE
    images: Mapping[str, Any] | None = None


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
class Divergence(PlainData):
    """Divergences of several networks on the same images, for one shift and for the named classes.

    Attributes:
        images: numbers of images of a folder that are used and left out, see `DataReport.counts`.
    """

    num_images: int
    shift: str
    classes: str
    networks: tuple[NetworkDivergence, ...]
    images: Mapping[str, Any] | None = None
