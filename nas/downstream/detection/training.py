"""Training a detector from a plan, in a folder: what `nas detect` does, and what studies do many times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nas.architecture import fingerprint_json
from nas.downstream.backbone import Backbone, build_backbone, load_backbone, trained_file
from nas.downstream.detection.checkpoint import DetectorDescription, save_detector
from nas.downstream.detection.data import DetectionSet, load_detection_data
from nas.downstream.detection.evaluation import evaluate_detector
from nas.downstream.detection.images import PictureStore, TrainingPictures
from nas.downstream.detection.settings import DetectionData, DetectorSettings, PictureForm
from nas.downstream.recipe import DenseRecipe
from nas.downstream.run import DenseTask, DenseWatch, run_dense
from nas.downstream.schedule import with_length
from nas.fidelity import NetworkSpec
from nas.models.build import Buildable
from nas.training.transfer import FREE_SETTINGS

DETECTOR_FILE = "detector.safetensors"


@dataclass(frozen=True, slots=True)
class DetectionPlan:
    """All that decides what comes of a detector's training.

    Attributes:
        architecture: of the backbone.
        network: the backbone around it.
        detector: what stands around the backbone.
        recipe: how it is trained.
        data: the pictures.
        length: ``1x``, ``2x`` and so on, see `nas.downstream.schedule.with_length`; None takes the recipe's iterations.
        seed: of initial weights, order of pictures and all else that is random.
        start: a classifier whose weights the backbone starts with: a checkpoint, or a folder that was exported; None
            starts from random weights.
    """

    architecture: Buildable
    network: NetworkSpec
    detector: DetectorSettings
    recipe: DenseRecipe
    data: DetectionData
    length: str | None = None
    seed: int = 0
    start: str | None = None


def run_detection(
    plan: DetectionPlan, out: Path, watch: DenseWatch | None = None, *, data: DetectionSet | None = None
) -> dict[str, Any]:
    """Trains a detector from where the folder's checkpoint is to the end, and measures it.

    Args:
        plan: what to train.
        out: an existing folder; see `nas.downstream.run.run_dense` for what is written, beside
            ``detector.safetensors``.
        watch: told of iterations and records, in the first worker only; None tells nobody.
        data: the pictures, if they are loaded and checked already.

    Returns:
        What `result.json` holds: ``evaluation`` holds ``box`` and with masks ``mask``, each with ``ap`` and so on.

    Raises:
        DivergedError: if the loss is not finite any more.
        ValueError: if backbone, pyramid, pictures and folder do not fit together.
        RuntimeError: if there is no room for checkpoints, no such device, or pycocotools is missing.
    """
    if data is None:
        data = load_detection_data(plan.data, masks=plan.detector.masks)
    recipe = resolve_recipe(plan, data)
    return run_dense(build_task(plan, data, folder=out), recipe, out, seed=plan.seed, watch=watch or DenseWatch())


def train_member(plan: DetectionPlan, out: Path) -> None:
    """Trains as one of several workers; whoever has started them has looked at the pictures."""
    run_detection(plan, out, data=load_detection_data(plan.data, masks=plan.detector.masks, check=False))


def resolve_recipe(plan: DetectionPlan, data: DetectionSet) -> DenseRecipe:
    """The recipe with the iterations that the plan's length makes of the pictures."""
    return plan.recipe if plan.length is None else with_length(plan.recipe, plan.length, len(data.train.pictures))


def build_task(plan: DetectionPlan, data: DetectionSet, *, folder: Path | None = None) -> DenseTask:
    """Builds the detector, and says what it is trained on and how it is measured.

    Args:
        plan: which detector.
        data: its pictures.
        folder: in which each evaluation leaves what was found; None leaves nothing.

    Raises:
        ValueError: if backbone and pyramid do not fit together, or the weights to start with are of another network.
    """
    recipe, masks = resolve_recipe(plan, data), plan.detector.masks
    backbone = _backbone(plan)
    categories = tuple(data.train.categories.items())
    form = PictureForm(categories, recipe.scales, recipe.max_side)
    if backbone.mean is not None and backbone.std is not None:
        form = replace(form, mean=backbone.mean, std=backbone.std)
    description = DetectorDescription(plan.architecture, plan.network, plan.detector, form)
    network = description.build(seed=plan.seed, backbone=backbone)
    store = PictureStore(plan.data.cache_mib)

    def save(out: Path, _: object) -> None:
        save_detector(out / DETECTOR_FILE, network, description)

    return DenseTask(
        fingerprint=_fingerprint(description, recipe, plan, data),
        network=network,
        pictures=TrainingPictures(data.train, store, flip=recipe.flip, masks=masks),
        evaluate=lambda given: evaluate_detector(given, data.evaluation, store, recipe, masks=masks, folder=folder),
        save=save,
        description=_describe(plan, recipe, data, backbone),
    )


def _backbone(plan: DetectionPlan) -> Backbone:
    if plan.start is None:
        if plan.detector.norm == "frozen_bn":
            raise ValueError(
                "detector.norm frozen_bn keeps the statistics of a trained network, and the backbone is none: name one "
                "or choose another norm"
            )
        return build_backbone(plan.architecture, plan.network, seed=plan.seed)
    backbone = load_backbone(Path(plan.start))
    theirs, ours = backbone.network.architecture.fingerprint, plan.architecture.fingerprint
    if theirs != ours:
        raise ValueError(f"{plan.start} must hold weights of the architecture {ours[:12]}, got those of {theirs[:12]}")
    free = {name: getattr(plan.network, name) for name in FREE_SETTINGS}
    if replace(backbone.network.spec, **free) != plan.network:
        raise ValueError(f"{plan.start} must hold weights of the network that the section network describes")
    return backbone


def _fingerprint(description: DetectorDescription, recipe: DenseRecipe, plan: DetectionPlan, data: DetectionSet) -> str:
    parts = [description.to_json(), _RECIPE.dump_python(recipe, mode="json"), data.fingerprint]
    if plan.start is not None:
        with trained_file(Path(plan.start)).open("rb") as file:
            parts.append(hashlib.file_digest(file, "sha256").hexdigest())
    return fingerprint_json(parts)


def _describe(plan: DetectionPlan, recipe: DenseRecipe, data: DetectionSet, backbone: Backbone) -> dict[str, Any]:
    return {
        "architecture": plan.architecture.fingerprint,
        "num_backbone_parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "num_train": len(data.train.pictures),
        "num_available": data.num_available,
        "num_categories": len(data.train.categories),
        "start": plan.start,
        "length": plan.length,
        "network": _NETWORK.dump_python(plan.network, mode="json"),
        "detector": _DETECTOR.dump_python(plan.detector, mode="json"),
        "recipe": _RECIPE.dump_python(recipe, mode="json"),
        "data": _DATA.dump_python(plan.data, mode="json"),
    }


_NETWORK, _DETECTOR, _RECIPE, _DATA = (
    TypeAdapter(NetworkSpec),
    TypeAdapter(DetectorSettings),
    TypeAdapter(DenseRecipe),
    TypeAdapter(DetectionData),
)
