"""Training of detectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.architecture import fingerprint_json
from nas.downstream.backbone import Backbone, start_backbone, weights_digest
from nas.downstream.detection.checkpoint import DetectorDescription, save_detector
from nas.downstream.detection.data import DetectionSet, load_detection_data
from nas.downstream.detection.evaluation import evaluate_detector
from nas.downstream.detection.images import ImageStore, TrainingImages
from nas.downstream.detection.settings import DetectionData, DetectorSettings, ImageForm
from nas.downstream.recipe import DenseRecipe
from nas.downstream.run import SILENT, DenseTask, DenseWatch, run_dense, training_fingerprint
from nas.downstream.schedule import with_length
from nas.fidelity import NetworkSpec
from nas.later_settings import plain
from nas.models.reference.descriptions import Buildable

DETECTOR_FILE = "detector.safetensors"


@dataclass(frozen=True, slots=True)
class DetectionPlan:
    """Everything that determines the outcome of a detector's training.

    Attributes:
        length: ``1x``, ``60k`` and so on, see `nas.downstream.schedule.with_length`; None keeps the recipe's.
        start: a trained classifier to start from, see `nas.downstream.backbone.load_backbone`; None for random weights.
        accept_data: whether a training is resumed although its images have changed.
    """

    architecture: Buildable
    network: NetworkSpec
    detector: DetectorSettings
    recipe: DenseRecipe
    data: DetectionData
    length: str | None = None
    seed: int = 0
    start: str | None = None
    accept_data: bool = False


def run_detection(
    plan: DetectionPlan, out: Path, watch: DenseWatch = SILENT, *, data: DetectionSet | None = None
) -> dict[str, Any]:
    """Trains and evaluates a detector in a folder, to which ``detector.safetensors`` is written at the end.

    Returns and raises what `nas.downstream.run.run_dense` does; ``evaluation`` is that of
    `nas.downstream.detection.evaluation.evaluate_detector`.

    The images are loaded and checked unless they are given. `watch` is called in the first worker only.

    Raises:
        ValueError: if backbone, pyramid and images do not fit together.
        RuntimeError: if pycocotools is missing.
    """
    data = data or load_data(plan)
    task = build_task(plan, data, folder=out)
    return run_dense(task, resolve_recipe(plan, data), out, seed=plan.seed, watch=watch)


def train_member(plan: DetectionPlan, out: Path) -> None:
    """Trains as one of several workers; the images must have been checked already."""
    run_detection(plan, out, data=load_data(plan, check=False))


def load_data(plan: DetectionPlan, *, check: bool = True) -> DetectionSet:
    """Loads the images that a plan needs, see `nas.downstream.detection.data.load_detection_data`."""
    return load_detection_data(plan.data, masks=plan.detector.masks, keypoints=plan.detector.keypoints, check=check)


def resolve_recipe(plan: DetectionPlan, data: DetectionSet) -> DenseRecipe:
    """Returns the recipe with the iterations of the plan's length."""
    return plan.recipe if plan.length is None else with_length(plan.recipe, plan.length, len(data.train.images))


def build_task(plan: DetectionPlan, data: DetectionSet, *, folder: Path | None = None) -> DenseTask:
    """Builds the detector, with its images, evaluation and fingerprint; evaluations write all detections to a folder.

    Raises:
        ValueError: if backbone and pyramid do not fit together, or the weights to start from belong to another network.
    """
    recipe, masks, keypoints = resolve_recipe(plan, data), plan.detector.masks, plan.detector.keypoints
    backbone = start_backbone(
        plan.architecture, plan.network, recipe, start=plan.start, norm=plan.detector.norm, seed=plan.seed
    )
    form = ImageForm(
        tuple(data.train.categories.items()), recipe.scales, recipe.max_side, mean=backbone.mean, std=backbone.std
    )
    description = DetectorDescription(plan.architecture, plan.network, plan.detector, form)
    network = description.build(seed=plan.seed, backbone=backbone)
    store = ImageStore(plan.data.cache_mib)
    return DenseTask(
        fingerprints=_fingerprints(description, recipe, plan, data),
        network=network,
        images=TrainingImages(data.train, store, flip=recipe.flip, masks=masks, keypoints=keypoints),
        evaluate=lambda given: evaluate_detector(
            given, data.evaluation, store, recipe, masks=masks, keypoints=keypoints, folder=folder
        ),
        save=lambda out: save_detector(out / DETECTOR_FILE, network, description),
        description=_describe(plan, recipe, data, backbone),
        without_images=training_fingerprint(description.to_json(), recipe, plan.start),
        accept_images=plan.accept_data,
    )


def _fingerprints(
    description: DetectorDescription, recipe: DenseRecipe, plan: DetectionPlan, data: DetectionSet
) -> tuple[str, str]:
    """Returns the fingerprint, and that of earlier versions, which held the settings of the run too."""
    parts = description.to_json()
    start = [] if plan.start is None else [weights_digest(plan.start)]
    former = fingerprint_json([parts, plain(recipe), data.fingerprint, *start])
    return training_fingerprint({**parts, "data": data.fingerprint}, recipe, plan.start), former


def _describe(plan: DetectionPlan, recipe: DenseRecipe, data: DetectionSet, backbone: Backbone) -> dict[str, Any]:
    return {
        "architecture": plan.architecture.fingerprint,
        "num_backbone_parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "num_train": len(data.train.images),
        "num_available": data.num_available,
        "num_categories": len(data.train.categories),
        "start": plan.start,
        "length": plan.length,
        "network": plain(plan.network),
        "detector": plain(plan.detector),
        "recipe": plain(recipe),
        "data": plain(plan.data),
        **({} if data.report is None else {"images": data.report.counts}),
    }
