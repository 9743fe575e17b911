"""Results of the comparison of norms in a segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.comparison.plain_data import PlainData
from experiments.comparison.statistics import CONFIDENCE, Interval

ALL_SHIFTS, DROP = "mean of the shifts", "mean drop under the shifts"
"""Names of the scores over all shifted domains."""


@dataclass(frozen=True, slots=True)
class SeedInterval(Interval):
    """A mean over seeds with its interval, and the value of each seed."""

    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class NormScores:
    """The scores of one norm by domain; `less_first` is the mean IoU minus that of the first norm, paired by seed."""

    name: str
    mean_iou: Mapping[str, SeedInterval]
    pixel_accuracy: Mapping[str, SeedInterval]
    less_first: Mapping[str, SeedInterval]


@dataclass(frozen=True, slots=True, kw_only=True)
class NormStudy(PlainData):
    """A comparison of norms in all domains, and for `ALL_SHIFTS` and `DROP`.

    `looks` has the shift of each domain, if any; `constant` the scores of the most frequent class everywhere.
    """

    num_seeds: int
    num_parameters: Mapping[str, int]
    domains: tuple[str, ...]
    looks: Mapping[str, Mapping[str, Any] | None]
    constant: Mapping[str, Mapping[str, float]]
    norms: tuple[NormScores, ...]
    confidence: float = CONFIDENCE
