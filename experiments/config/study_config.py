"""The configuration of a study of pre-training: that of a detector, and which trainings to run."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from experiments.config.config import Config
from experiments.config.dense_config import check_colour
from experiments.config.kinds import STUDY, ConfigKind
from experiments.config.workers import StudyWorkers
from nas.downstream.detection.settings import DetectionData, DetectorSettings
from nas.downstream.recipe import DenseRecipe
from nas.downstream.schedule import check_lengths
from nas.fidelity import NetworkSpec

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class StudySettings:
    """The trainings of a study: all combinations of these settings, from scratch and pre-trained.

    The defaults are a small form of the studies of Rethinking ImageNet Pre-training (1811.08883, section 5).

    Attributes:
        pretrained: A trained classifier whose weights initialize the backbone.
        seed: The first seed.
        num_seeds: Trainings of each kind, with consecutive seeds.
        schedules: ``1x``, ``2x``, .. or ``60k``, ``600it``, .., see `nas.downstream.schedule.with_length`.
        fractions: Shares of the training images; smaller ones are subsets of larger ones, the same for all trainings.
        num_known: Training images on which detectors are evaluated at the end, beside those of ``data.evaluate``.
    """

    pretrained: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    num_seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    schedules: tuple[str, ...] = ("1x", "2x", "3x")
    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.5, 1.0)
    num_known: Annotated[int, Field(ge=1)] = 500

    def __post_init__(self) -> None:
        check_lengths(self.schedules)
        if not self.fractions or sorted(set(self.fractions)) != list(self.fractions):
            raise ValueError(
                f"fractions must be one or more, the smallest first, got {', '.join(map(str, self.fractions))}"
            )


@dataclasses.dataclass(frozen=True, slots=True)
class StudyConfig(Config):
    """A valid configuration of a study; iterations and cuts of the recipe are those of the schedules."""

    kind: ClassVar[ConfigKind] = STUDY

    study: StudySettings
    network: NetworkSpec
    detector: DetectorSettings
    recipe: DenseRecipe
    data: DetectionData
    workers: StudyWorkers

    def __post_init__(self) -> None:
        if self.detector.norm == "frozen_bn":
            raise ValueError("detector.norm must not be frozen_bn: from scratch there are no statistics to freeze")
        check_colour(self.network)


def num_pictures(fraction: float, num_available: int) -> int:
    """The number of images in a fraction of those available, at least 1."""
    return max(1, math.floor(fraction * num_available + 0.5))
