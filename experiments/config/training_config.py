"""The settings of a full training: a YAML file of the sections training, network, recipe, data and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from experiments.config.config_file import TRAINING, split_sections
from experiments.config.sections import dump_settings, validate_section
from experiments.config.unknown_names import unknown_name
from nas.data.load import DATA_SETS
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class TrainingSettings:
    """What a training starts from.

    Attributes:
        seed: of initial weights, order of images, augmentation and dropout.
        start: a checkpoint whose weights are trained further, as for other images; null starts from random weights.
        teacher: whose answers are distilled: a checkpoint, a run, RUN@k, or ``torchvision:resnet50``; null for none.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    start: str | None = None
    teacher: str | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class TrainingWorkers:
    """Who trains.

    Attributes:
        num_workers: processes that share every batch out among them; 1 trains in this process.
        address: of a running Ray cluster, ``auto`` or ``HOST:PORT``; null starts Ray on this machine.
        cpus: CPUs of each worker.
        gpus: GPUs of each worker, 0 or 1; null means 1 where this machine has GPUs.
    """

    num_workers: Annotated[int, Field(ge=1, le=10_000)] = 1
    address: str | None = None
    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[int | None, Field(ge=0, le=1)] = None


@plain_dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A complete, valid configuration of a training.

    Attributes:
        training: seed, start and teacher.
        fidelity: network, recipe and data.
        workers: who trains.
    """

    training: TrainingSettings
    fidelity: Fidelity
    workers: TrainingWorkers

    def to_document(self) -> dict[str, dict[str, Any]]:
        """Returns plain data from which `parse_training` makes an equal one, with every setting written out."""
        return {
            "training": dump_settings(self.training),
            "network": dump_settings(self.fidelity.network),
            "recipe": dump_settings(self.fidelity.recipe),
            "data": dump_settings(self.fidelity.data),
            "workers": dump_settings(self.workers),
        }


def parse_training(document: Mapping[str, Any]) -> TrainingConfig:
    """Validates the plain data of a YAML file.

    Raises:
        ValueError: if it is not the configuration of a training; one line that names the place.
    """
    sections = split_sections(document, TRAINING)
    data = validate_section("data", sections["data"], DataSpec)
    if data.name not in DATA_SETS:
        raise unknown_name("data set in data.name", data.name, DATA_SETS)
    training = validate_section("training", sections["training"], TrainingSettings)
    recipe = validate_section("recipe", sections["recipe"], TrainRecipe)
    workers = validate_section("workers", sections["workers"], TrainingWorkers)
    if (training.teacher is None) != (recipe.distillation == 0):
        raise ValueError(
            "recipe.distillation must be above 0 with a training.teacher and 0 without, "
            f"got {recipe.distillation:g} and {training.teacher or 'none'}"
        )
    if recipe.batch_size % workers.num_workers:
        raise ValueError(
            f"recipe.batch_size must be divisible by the number of workers, {workers.num_workers}, "
            f"got {recipe.batch_size}"
        )
    network = validate_section("network", sections["network"], NetworkSpec)
    return TrainingConfig(training, Fidelity(network, recipe, data), workers)
