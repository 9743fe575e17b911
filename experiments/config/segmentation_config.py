"""The settings of a segmenter: a YAML file of segmentation, network, head, recipe, data, test and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from experiments.config.config_file import SEGMENTATION, split_sections
from experiments.config.sections import dump_settings, validate_section
from experiments.config.training_config import TrainingWorkers
from experiments.downstream.inputs import check_dense
from nas.downstream.recipe import DenseRecipe
from nas.downstream.segmentation.settings import HeadSpec, SegmentationData
from nas.downstream.segmentation.training import SegmentationPlan
from nas.fidelity import NetworkSpec
from nas.models.build import Buildable
from nas.shifts.table import check_shifts

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class SegmentationSettings:
    """What a segmenter's training starts from.

    Attributes:
        seed: of initial weights, order of pictures and all else that is random.
        start: a trained classifier whose weights the backbone starts with; null starts from scratch.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    start: str | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class SegmentationTest:
    """Where a trained segmenter is measured, beside the validation pictures.

    Attributes:
        root: another folder of pictures with masks of the same classes, of which ``val`` is taken; null for none.
        shifts: of appearance, which the validation pictures undergo; null for all.
        severity: of the shifts, 1 to 5.
        seed: of what the shifts draw.
        training: whether the pictures that it was trained on are measured too.
    """

    root: str | None = None
    shifts: tuple[str, ...] | None = None
    severity: Annotated[int, Field(ge=1, le=5)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    training: bool = True

    def __post_init__(self) -> None:
        check_shifts(self.shifts or ())


@plain_dataclass(frozen=True, slots=True)
class SegmentationConfig:
    """A complete, valid configuration of a segmenter's training.

    Attributes:
        segmentation: seed and start.
        network: the backbone around the cells.
        head: what stands on the backbone.
        recipe: how it is trained.
        data: the pictures.
        test: where it is measured.
        workers: who trains.
    """

    segmentation: SegmentationSettings
    network: NetworkSpec
    head: HeadSpec
    recipe: DenseRecipe
    data: SegmentationData
    test: SegmentationTest
    workers: TrainingWorkers

    def to_document(self) -> dict[str, dict[str, Any]]:
        """Returns plain data from which `parse_segmentation` makes an equal one, with every setting written out."""
        return {name: dump_settings(getattr(self, name)) for name in SEGMENTATION.sections}

    def plan(self, architecture: Buildable) -> SegmentationPlan:
        """What decides what comes of the training."""
        settings = self.segmentation
        return SegmentationPlan(
            architecture, self.network, self.head, self.data, self.recipe, settings.seed, settings.start
        )


def parse_segmentation(document: Mapping[str, Any]) -> SegmentationConfig:
    """Validates the plain data of a YAML file.

    Raises:
        ValueError: if it is not the configuration of a segmenter; one line that names the place.
    """
    sections = split_sections(document, SEGMENTATION)
    config = SegmentationConfig(
        validate_section("segmentation", sections["segmentation"], SegmentationSettings),
        validate_section("network", sections["network"], NetworkSpec),
        validate_section("head", sections["head"], HeadSpec),
        validate_section("recipe", sections["recipe"], DenseRecipe),
        validate_section("data", sections["data"], SegmentationData),
        validate_section("test", sections["test"], SegmentationTest),
        validate_section("workers", sections["workers"], TrainingWorkers),
    )
    check_dense(config.recipe, config.network, config.workers.num_workers)
    return config
