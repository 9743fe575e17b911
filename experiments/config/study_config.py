"""The settings of a study of pre-training: a detector's, and which trainings of it there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from experiments.config.config_file import DETECTION, STUDY, find_config, split_sections
from experiments.config.sections import dump_settings, validate_section
from experiments.config.yaml_file import read_yaml
from nas.downstream.detection.settings import DetectionData, DetectorSettings
from nas.downstream.recipe import DenseRecipe
from nas.downstream.schedule import parse_length
from nas.fidelity import NetworkSpec

Document = dict[str, dict[str, Any]]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, slots=True, config=_STRICT)
class StudySettings:
    """Which trainings a study of pre-training has: all combinations of what follows, from scratch and pre-trained.

    At its defaults a small form of the studies of Rethinking ImageNet Pre-training (1811.08883, section 5).

    Attributes:
        pretrained: a trained classifier, whose weights the backbone starts with.
        seed: the first one.
        num_seeds: trainings of each kind, with consecutive seeds.
        schedules: ``1x``, ``2x`` and so on, see `nas.downstream.schedule.with_length`.
        fractions: shares of the training pictures; smaller ones are parts of larger ones, the same for all trainings.
        num_known: training pictures on which detectors are measured in the end too, beside those of ``data.evaluate``.
    """

    pretrained: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    num_seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    schedules: tuple[str, ...] = ("1x", "2x", "3x")
    fractions: tuple[_Share, ...] = (0.5, 1.0)
    num_known: Annotated[int, Field(ge=1)] = 500

    def __post_init__(self) -> None:
        lengths = [parse_length(schedule) for schedule in self.schedules]
        if not lengths or sorted(set(lengths)) != lengths:
            raise ValueError(f"schedules must be one or more, the shortest first, got {', '.join(self.schedules)}")
        if not self.fractions or sorted(set(self.fractions)) != list(self.fractions):
            raise ValueError(
                f"fractions must be one or more, the smallest first, got {', '.join(map(str, self.fractions))}"
            )


@dataclass(frozen=True, slots=True, config=_STRICT)
class StudyWorkers:
    """Who trains: each training is one task of Ray.

    Attributes:
        num_workers: trainings at a time at most; null means as many as the cluster holds.
        address: of a running Ray cluster, ``auto`` or ``HOST:PORT``; null starts Ray on this machine.
        cpus: CPUs of each training.
        gpus: GPUs of each training, 0 or 1; null means 1 where this machine has GPUs.
        max_retries: how often a training goes on after its worker or node was lost.
    """

    num_workers: Annotated[int | None, Field(ge=1, le=10_000)] = None
    address: str | None = None
    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[int | None, Field(ge=0, le=1)] = None
    max_retries: Annotated[int, Field(ge=0, le=1000)] = 3


@plain_dataclass(frozen=True, slots=True)
class StudyConfig:
    """A complete, valid configuration of a study.

    Attributes:
        study: which trainings there are.
        network: the backbone around the cells.
        detector: what stands around the backbone.
        recipe: how detectors are trained; iterations and cuts are those of the schedules.
        data: the pictures.
        workers: who trains.
    """

    study: StudySettings
    network: NetworkSpec
    detector: DetectorSettings
    recipe: DenseRecipe
    data: DetectionData
    workers: StudyWorkers

    def to_document(self) -> Document:
        """Returns plain data from which `parse_study` makes an equal one, with every setting written out."""
        return {name: dump_settings(getattr(self, name)) for name in STUDY.sections}


def load_study(source: str) -> Document:
    """Reads the configuration of a study section by section, or makes one of a detector's.

    Args:
        source: a YAML file, or the name of a configuration that comes with this package. Of a detector's, seed and
            start are taken over, and what each of its workers gets; its schedule gives way to the study's.

    Raises:
        ValueError: if there is no such file or it cannot be used.
        OSError: if it cannot be read.
    """
    path = find_config(source, STUDY)
    document = read_yaml(path)
    try:
        if DETECTION.sections[0] not in document:
            return split_sections(document, STUDY)
        return _from_detection(split_sections(document, DETECTION))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_study(document: Mapping[str, Any]) -> StudyConfig:
    """Validates the plain data of a configuration.

    Raises:
        ValueError: if it is not the configuration of a study; one line that names the place.
    """
    sections = split_sections(document, STUDY)
    config = StudyConfig(
        validate_section("study", sections["study"], StudySettings),
        validate_section("network", sections["network"], NetworkSpec),
        validate_section("detector", sections["detector"], DetectorSettings),
        validate_section("recipe", sections["recipe"], DenseRecipe),
        validate_section("data", sections["data"], DetectionData),
        validate_section("workers", sections["workers"], StudyWorkers),
    )
    if config.detector.norm == "frozen_bn":
        raise ValueError("detector.norm must not be frozen_bn: from scratch there are no statistics to freeze")
    if config.network.in_channels != 3:
        raise ValueError(f"network.in_channels must be 3, pictures being in colour, got {config.network.in_channels}")
    return config


def num_pictures(fraction: float, num_available: int) -> int:
    """How many of so many pictures a fraction is, at least one."""
    return max(1, math.floor(fraction * num_available + 0.5))


def _from_detection(sections: Document) -> Document:
    start = sections.pop("detection")
    shared = {key: value for key, value in sections["workers"].items() if key in ("address", "cpus", "gpus")}
    study = {"seed": start.get("seed", 0), "pretrained": start.get("start")}
    return {"study": study, **sections, "workers": shared}
