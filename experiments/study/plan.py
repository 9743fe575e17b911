"""Which trainings a study of pre-training has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from experiments.config.study_config import StudyConfig, num_pictures
from nas.downstream.detection.annotations import Annotations
from nas.downstream.detection.data import (
    DetectionSet,
    check_training,
    choose_images,
    has_objects,
    load_detection_data,
)
from nas.downstream.detection.settings import DetectionData
from nas.downstream.detection.training import DetectionPlan, build_task
from nas.downstream.schedule import with_length
from nas.models.build import Buildable

SCRATCH, PRETRAINED = "scratch", "pretrained"
STARTS = (SCRATCH, PRETRAINED)


@dataclass(frozen=True, slots=True)
class StudyTraining:
    """One training of a study.

    Attributes:
        start: one of `STARTS`.
        schedule: ``1x``, ``2x`` and so on.
        fraction: of the training pictures.
        plan: what is trained; `plan.seed` is the training's.
        num_iterations: that the schedule makes of its pictures.
    """

    start: str
    schedule: str
    fraction: float
    plan: DetectionPlan
    num_iterations: int

    @property
    def name(self) -> str:
        """Tells it from the others, and names its folder."""
        return f"{self.start}-{self.schedule}-{self.fraction!r}-seed-{self.plan.seed}"


def plan_trainings(config: StudyConfig, architecture: Buildable, data: DetectionSet) -> list[StudyTraining]:
    """All trainings, seed by seed, so that what is done when a study is interrupted can be compared already.

    Args:
        config: of the study.
        architecture: of the backbone.
        data: the pictures of the whole.

    Raises:
        ValueError: if two fractions are equally many pictures, or a schedule is too short for them.
    """
    study, total = config.study, len(data.train.images)
    counts = {fraction: num_pictures(fraction, total) for fraction in study.fractions}
    for first, second in pairwise(study.fractions):
        if counts[first] == counts[second]:
            raise ValueError(f"fractions {first:g} and {second:g} of {total} pictures are both {counts[first]}")
    return [
        _training(config, architecture, (start, schedule, fraction, seed), counts[fraction])
        for seed in range(study.seed, study.seed + study.num_seeds)
        for fraction in reversed(study.fractions)
        for schedule in reversed(study.schedules)
        for start in STARTS
    ]


def check_trainings(trainings: Sequence[StudyTraining], data: DetectionSet) -> None:
    """Builds what would be trained, from scratch and pre-trained, before anything is.

    Raises:
        ValueError: if backbone, pyramid, weights and pictures do not fit together, or a share of the pictures holds no
            object.
    """
    if not has_objects(data.evaluation):
        raise ValueError(f"{data.evaluation.path}: there is no object in the pictures to be measured on")
    every = _all_pictures(trainings[0].plan.data, data)
    for each in {each.fraction: each.plan.data for each in trainings}.values():
        check_training(choose_images(every, each.num_train, seed=each.subset_seed))
    for start in STARTS:
        build_task(next(each.plan for each in trainings if each.start == start), data)


def _all_pictures(wanted: DetectionData, data: DetectionSet) -> Annotations:
    """The pictures that those of each training are chosen from; read again only if the study has but some of them."""
    if len(data.train.images) == data.num_available:
        return data.train
    return load_detection_data(replace(wanted, num_train=None, evaluate="train"), masks=False, check=False).train


def training_folder(out: Path, training: StudyTraining) -> Path:
    """Where a training of a study lies."""
    return out / "trainings" / training.name


def _training(
    config: StudyConfig, architecture: Buildable, kind: tuple[str, str, float, int], num_train: int
) -> StudyTraining:
    start, schedule, fraction, seed = kind
    plan = DetectionPlan(
        architecture,
        config.network,
        config.detector,
        config.recipe,
        replace(config.data, num_train=num_train),
        schedule,
        seed,
        config.study.pretrained if start == PRETRAINED else None,
    )
    return StudyTraining(start, schedule, fraction, plan, with_length(config.recipe, schedule, num_train).iterations)
