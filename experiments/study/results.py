"""The results of a study of pre-training, by setting; numbers are NaN (null in JSON) where there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from experiments.comparison.plain_data import PlainData
from experiments.comparison.statistics import CONFIDENCE, Interval

SPLITS = ("val", "train")
SCORES: Mapping[str, str] = {"ap": "AP", "ap50": "AP50"}
LOSS = "loss"

Result: TypeAlias = Mapping[str, Any]
"""One training: ``start``, ``schedule``, ``fraction``, ``seed``, ``num_pictures``, ``num_iterations``, and either an
``error`` or what `workers.jobs.detector_jobs.train_and_measure` returns."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The values over seeds with their mean and standard deviation."""

    values: tuple[float, ...]
    mean: float = math.nan
    deviation: float = math.nan


@dataclass(frozen=True, slots=True)
class Measure:
    """One score in one setting; `pairs` are pre-trained minus scratch by seed, `difference` is their mean."""

    scratch: Spread
    pretrained: Spread
    pairs: Mapping[str, float]
    difference: Interval


@dataclass(frozen=True, slots=True)
class Setting:
    """One schedule and fraction of the images, with its measures by key: ``val.box.ap`` and so on, and ``loss``."""

    schedule: str
    fraction: float
    num_pictures: int
    num_iterations: int
    num_failed: int
    measures: Mapping[str, Measure]


@dataclass(frozen=True, slots=True)
class Change:
    """Changes of the differences along an axis, ``schedule`` or ``num_pictures``, from its first value to its last."""

    along: str
    first: str | int
    last: str | int
    measures: Mapping[str, Interval]

    def json_items(self) -> dict[str, Any]:
        """The keys in JSON."""
        return {"along": self.along, "from": self.first, "to": self.last, "measures": self.measures}


@dataclass(frozen=True, slots=True)
class StudySummary(PlainData):
    """A study of pre-training; `overall` has the differences as means over all settings, by key.

    `split` is the one of `SPLITS` on which detectors were evaluated during training; `num_measured` has the numbers of
    images by split, and `kinds` those of AP: ``box``, and ``mask`` if there are masks.
    """

    split: str
    kinds: tuple[str, ...]
    num_measured: Mapping[str, int]
    num_seeds: int
    settings: tuple[Setting, ...]
    overall: Mapping[str, Interval]
    changes: tuple[Change, ...]
    results: Sequence[Result]
    confidence: float = CONFIDENCE
    verdict: tuple[str, ...] = ()


def measured(result: Result, key: str) -> float | None:
    """Returns one measure of a training; None if it failed, or there was no object to detect."""
    if "error" in result:
        return None
    if key == LOSS:
        return float(result[LOSS])
    split, kind, score = key.split(".")
    value: float | None = result["scores"][split].get(kind, {}).get(score)
    return value
