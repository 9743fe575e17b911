"""The configurations of a training, and of a tournament and an ablation, which are made of trainings."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from experiments.config.config import Config
from experiments.config.kinds import ABLATION, TOURNAMENT, TRAINING, ConfigKind
from experiments.config.parsing.unknown_names import unknown_name
from experiments.config.search_checks import check_held_out
from experiments.config.workers import StudyWorkers, TrainingWorkers
from nas.data.load import DATA_SETS
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class TrainingSettings:
    """The start of a training.

    Attributes:
        seed: Of initial weights, order of images, augmentation and dropout.
        start: A checkpoint to fine-tune; null starts from random weights.
        teacher: The network that is distilled: a checkpoint, a run, RUN@k, or ``torchvision:resnet50``; null for none.
        checkpoint_minutes: Time between checkpoints within an epoch, from any of which the training can be resumed;
            null writes one after each epoch only.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    start: str | None = None
    teacher: str | None = None
    checkpoint_minutes: Annotated[float | None, Field(gt=0)] = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class TournamentSettings:
    """Which trials of a search compete, and when they are stopped.

    Attributes:
        run: The run folder of the search.
        top: Number of best trials that compete.
        random: Number of other trials, drawn at random, that compete as a control group.
        seed: Of that draw.
        grace_epochs: Epochs that every candidate gets; null means a ninth of the recipe's.
        reduction_factor: One in this many candidates continues from each rung to the next.
    """

    run: str
    top: Annotated[int, Field(ge=1)] = 8
    random: Annotated[int, Field(ge=0)] = 8
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    grace_epochs: Annotated[int | None, Field(ge=1)] = None
    reduction_factor: Annotated[float, Field(gt=1)] = 3.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class AblationSettings:
    """The size of an ablation.

    Attributes:
        num_seeds: Trainings of each recipe, with consecutive seeds.
    """

    num_seeds: Annotated[int, Field(ge=1)] = 3


@dataclasses.dataclass(frozen=True, slots=True)
class _OfTraining(Config):
    """The sections that configurations of trainings share."""

    training: TrainingSettings
    network: NetworkSpec
    recipe: TrainRecipe
    data: DataSpec

    def __post_init__(self) -> None:
        if self.data.name not in DATA_SETS:
            raise unknown_name("data set in data.name", self.data.name, DATA_SETS)
        if (self.training.teacher is None) != (self.recipe.distillation == 0):
            raise ValueError(
                "recipe.distillation must be above 0 with a training.teacher and 0 without, "
                f"got {self.recipe.distillation:g} and {self.training.teacher or 'none'}"
            )

    @property
    def fidelity(self) -> Fidelity:
        """Network, recipe and data."""
        return Fidelity(self.network, self.recipe, self.data)


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingConfig(_OfTraining):
    """A valid configuration of a training."""

    kind: ClassVar[ConfigKind] = TRAINING

    workers: TrainingWorkers

    def __post_init__(self) -> None:
        _OfTraining.__post_init__(self)
        self.workers.check_batch(self.recipe.batch_size, self.recipe.accumulate)


@dataclasses.dataclass(frozen=True, slots=True)
class AblationConfig(TrainingConfig):
    """A valid configuration of an ablation."""

    kind: ClassVar[ConfigKind] = ABLATION

    ablation: AblationSettings

    def __post_init__(self) -> None:
        TrainingConfig.__post_init__(self)
        check_held_out(self.data)


@dataclasses.dataclass(frozen=True, slots=True)
class TournamentConfig(_OfTraining):
    """A valid configuration of a tournament."""

    kind: ClassVar[ConfigKind] = TOURNAMENT

    tournament: TournamentSettings
    workers: StudyWorkers

    def __post_init__(self) -> None:
        _OfTraining.__post_init__(self)
        check_held_out(self.data)
