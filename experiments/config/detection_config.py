"""The settings of a detector: a YAML file of the sections detection, network, detector, recipe, data and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from experiments.config.config_file import DETECTION, split_sections
from experiments.config.sections import dump_settings, validate_section
from experiments.config.training_config import TrainingWorkers
from experiments.downstream.inputs import check_dense
from nas.downstream.detection.settings import DetectionData, DetectorSettings
from nas.downstream.detection.training import DetectionPlan
from nas.downstream.recipe import DenseRecipe
from nas.downstream.schedule import parse_length
from nas.fidelity import NetworkSpec
from nas.models.build import Buildable


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class DetectionSettings:
    """What a detector's training starts from, and how long it is.

    Attributes:
        seed: of initial weights, order of pictures and all else that is random.
        start: a trained classifier whose weights the backbone starts with; null starts from scratch.
        schedule: ``1x``, ``2x`` and so on, as in the papers, which sets iterations and cuts of the recipe by the number
            of pictures; null takes the recipe's.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    start: str | None = None
    schedule: str | None = None

    def __post_init__(self) -> None:
        if self.schedule is not None:
            parse_length(self.schedule)


@plain_dataclass(frozen=True, slots=True)
class DetectionConfig:
    """A complete, valid configuration of a detector's training.

    Attributes:
        detection: seed, start and schedule.
        network: the backbone around the cells.
        detector: what stands around the backbone.
        recipe: how it is trained.
        data: the pictures.
        workers: who trains.
    """

    detection: DetectionSettings
    network: NetworkSpec
    detector: DetectorSettings
    recipe: DenseRecipe
    data: DetectionData
    workers: TrainingWorkers

    def to_document(self) -> dict[str, dict[str, Any]]:
        """Returns plain data from which `parse_detection` makes an equal one, with every setting written out."""
        return {name: dump_settings(getattr(self, name)) for name in DETECTION.sections}

    def plan(self, architecture: Buildable) -> DetectionPlan:
        """What decides what comes of the training."""
        settings = self.detection
        return DetectionPlan(
            architecture,
            self.network,
            self.detector,
            self.recipe,
            self.data,
            settings.schedule,
            settings.seed,
            settings.start,
        )


def parse_detection(document: Mapping[str, Any]) -> DetectionConfig:
    """Validates the plain data of a YAML file.

    Raises:
        ValueError: if it is not the configuration of a detector; one line that names the place.
    """
    sections = split_sections(document, DETECTION)
    config = DetectionConfig(
        validate_section("detection", sections["detection"], DetectionSettings),
        validate_section("network", sections["network"], NetworkSpec),
        validate_section("detector", sections["detector"], DetectorSettings),
        validate_section("recipe", sections["recipe"], DenseRecipe),
        validate_section("data", sections["data"], DetectionData),
        validate_section("workers", sections["workers"], TrainingWorkers),
    )
    check_dense(config.recipe, config.network, config.workers.num_workers)
    return config
