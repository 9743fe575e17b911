"""The configurations of a detector and a segmenter."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from experiments.config.config import Config
from experiments.config.kinds import DETECTION, SEGMENTATION, ConfigKind, Document
from experiments.config.workers import TrainingWorkers
from nas.downstream.detection.settings import DetectionData, DetectorSettings
from nas.downstream.detection.training import DetectionPlan
from nas.downstream.detection.views import Views
from nas.downstream.recipe import MAX_SIDE, NUM_CHANNELS, DenseRecipe
from nas.downstream.schedule import parse_length
from nas.downstream.segmentation.settings import HeadSpec, SegmentationData
from nas.downstream.segmentation.training import SegmentationPlan
from nas.downstream.segmentation.views import Views as SegmentationViews
from nas.fidelity import NetworkSpec
from nas.models.checkpoint import Checkpoint
from nas.models.reference.descriptions import Buildable
from nas.shifts.table import check_shifts

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class SegmentationSettings:
    """The start of a training.

    Attributes:
        seed: Of initial weights, order of images and all other random numbers.
        start: A trained classifier whose weights initialize the backbone; null trains from scratch.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    start: str | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class DetectionSettings(SegmentationSettings):
    """The start of a training, and its length.

    Attributes:
        schedule: A schedule of the papers, ``1x``, ``2x``, .., or iterations, ``60k``, ``600it``, .., instead of the
            recipe's length; null for none.
    """

    schedule: str | None = None

    def __post_init__(self) -> None:
        if self.schedule is not None:
            parse_length(self.schedule)


@dataclass(frozen=True, slots=True, config=_STRICT)
class DetectionTest:
    """Views of the images to evaluate, in which a trained detector is evaluated beside its own.

    Attributes:
        scales: Shorter sides in pixels, whose boxes are joined and whose masks are averaged; empty for none.
        flip: Whether each of them is mirrored too.
    """

    scales: tuple[Annotated[int, Field(ge=8, le=MAX_SIDE)], ...] = ()
    flip: bool = False

    def __post_init__(self) -> None:
        if self.flip and not self.scales:
            raise ValueError("test.flip needs test.scales, the sides of the images that are mirrored, got none")

    @property
    def views(self) -> Views | None:
        """The views; None for none."""
        return Views(self.scales, self.flip) if self.scales else None


@dataclass(frozen=True, slots=True, config=_STRICT)
class SegmentationTest:
    """Where a trained segmenter is evaluated, beside the validation images.

    Attributes:
        root: Another folder or data set of the same classes, whose ``val`` is used; null for none.
        shifts: Distribution shifts of the validation images; null for all.
        severity: Of the shifts, 1 to 5.
        seed: Of the random numbers of the shifts.
        training: Whether to evaluate on the training images too.
        scales: Factors of the size of images; the predicted probabilities of several are averaged.
        flip: Whether the predictions of mirrored images are averaged too.
    """

    root: str | None = None
    shifts: tuple[str, ...] | None = None
    severity: Annotated[int, Field(ge=1, le=5)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    training: bool = True
    scales: Annotated[tuple[Annotated[float, Field(gt=0, le=8)], ...], Field(min_length=1)] = (1.0,)
    flip: bool = False

    @property
    def views(self) -> SegmentationViews:
        """Views of each image."""
        return SegmentationViews(self.scales, self.flip)

    def __post_init__(self) -> None:
        check_shifts(self.shifts or ())


@dataclasses.dataclass(frozen=True, slots=True)
class _Dense(Config):
    """The sections that both configurations share."""

    network: NetworkSpec
    recipe: DenseRecipe
    workers: TrainingWorkers

    def __post_init__(self) -> None:
        self.workers.check_batch(self.recipe.batch_size)
        check_colour(self.network)


@dataclasses.dataclass(frozen=True, slots=True)
class DetectionConfig(_Dense):
    """A valid configuration of a detector."""

    kind: ClassVar[ConfigKind] = DETECTION

    detection: DetectionSettings
    detector: DetectorSettings
    data: DetectionData
    test: DetectionTest

    def __post_init__(self) -> None:
        super(DetectionConfig, self).__post_init__()
        if self.test.scales and self.detector.keypoints:
            raise ValueError("test.scales is for boxes and masks, but detector.keypoints is set")

    def plan(self, architecture: Buildable) -> DetectionPlan:
        """Everything that determines the outcome of the training."""
        settings = self.detection
        start = settings.schedule, settings.seed, settings.start
        return DetectionPlan(architecture, self.network, self.detector, self.recipe, self.data, *start)


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentationConfig(_Dense):
    """A valid configuration of a segmenter."""

    kind: ClassVar[ConfigKind] = SEGMENTATION

    segmentation: SegmentationSettings
    head: HeadSpec
    data: SegmentationData
    test: SegmentationTest

    def plan(self, architecture: Buildable) -> SegmentationPlan:
        """Everything that determines the outcome of the training."""
        settings = self.segmentation
        start = settings.seed, settings.start
        return SegmentationPlan(architecture, self.network, self.head, self.data, self.recipe, *start)


def check_colour(network: NetworkSpec) -> None:
    """Raises ValueError if a network does not take colour images, as those of detection and segmentation are."""
    if network.in_channels != 3:
        raise ValueError(f"network.in_channels must be 3 for colour images, got {network.in_channels}")


def use_normalization(document: Document, checkpoint: Checkpoint) -> None:
    """Normalizes images as those of a classifier were, unless the recipe says how or they are not in colour."""
    recipe = document["recipe"]
    if recipe.get("mean") is None and recipe.get("std") is None and len(checkpoint.mean) == NUM_CHANNELS:
        recipe.update(mean=list(checkpoint.mean), std=list(checkpoint.std))
