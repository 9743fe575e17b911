"""The trainings of a study of pre-training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from experiments.config.study_config import StudyConfig, num_pictures
from nas.downstream.detection.data import DetectionSet, check_training, choose_images, load_detection_data
from nas.downstream.detection.training import DetectionPlan, build_task
from nas.downstream.schedule import with_length
from nas.models.reference.descriptions import Buildable

SCRATCH, PRETRAINED = "scratch", "pretrained"
STARTS = (SCRATCH, PRETRAINED)


@dataclass(frozen=True, slots=True)
class StudyTraining:
    """One training of a study: one of `STARTS`, a schedule such as ``2x``, and a fraction of the training images."""

    start: str
    schedule: str
    fraction: float
    plan: DetectionPlan
    num_iterations: int

    @property
    def name(self) -> str:
        """Unique name, also of its folder."""
        return f"{self.start}-{self.schedule}-{self.fraction!r}-seed-{self.plan.seed}"


def plan_trainings(config: StudyConfig, architecture: Buildable, data: DetectionSet) -> list[StudyTraining]:
    """Lists all trainings by seed; raises ValueError if two fractions give equal counts or a schedule is too short."""
    study, total = config.study, len(data.train.images)
    counts = {fraction: num_pictures(fraction, total) for fraction in study.fractions}
    for first, second in pairwise(study.fractions):
        if counts[first] == counts[second]:
            raise ValueError(f"fractions {first:g} and {second:g} of {total} images are both {counts[first]}")
    return [  # ordered by seed, so that an interrupted study has complete comparisons
        _training(config, architecture, (start, schedule, fraction, seed), counts[fraction])
        for seed in range(study.seed, study.seed + study.num_seeds)
        for fraction in reversed(study.fractions)
        for schedule in reversed(study.schedules)
        for start in STARTS
    ]


def check_trainings(trainings: Sequence[StudyTraining], data: DetectionSet) -> None:
    """Builds both networks; raises ValueError if parts do not match, or a subset of the images has no object."""
    every = data.train
    if len(every.images) != data.num_available:  # a subset of the images from which each training draws its own
        wanted = replace(trainings[0].plan.data, num_train=None, evaluate="train")
        every = load_detection_data(wanted, masks=False, check=False).train
    for each in {each.fraction: each.plan.data for each in trainings}.values():
        check_training(choose_images(every, each.num_train, seed=each.subset_seed))
    for start in STARTS:
        build_task(next(each.plan for each in trainings if each.start == start), data)


def training_folder(out: Path, training: StudyTraining) -> Path:
    """Returns the folder of a training."""
    return out / "trainings" / training.name


def _training(
    config: StudyConfig, architecture: Buildable, kind: tuple[str, str, float, int], num_train: int
) -> StudyTraining:
    start, schedule, fraction, seed = kind
    data = replace(config.data, num_train=num_train)
    weights = config.study.pretrained if start == PRETRAINED else None
    plan = DetectionPlan(architecture, config.network, config.detector, config.recipe, data, schedule, seed, weights)
    return StudyTraining(start, schedule, fraction, plan, with_length(config.recipe, schedule, num_train).iterations)
