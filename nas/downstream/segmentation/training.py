"""Training of segmenters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas.downstream.backbone import start_backbone
from nas.downstream.recipe import DenseRecipe
from nas.downstream.run import SILENT, DenseTask, DenseWatch, run_dense, training_fingerprint
from nas.downstream.segmentation.checkpoint import SegmenterDescription, save_segmenter
from nas.downstream.segmentation.data import SegmentationFolder, SegmentationSplit
from nas.downstream.segmentation.evaluation import evaluate
from nas.downstream.segmentation.images import SegmentationImages
from nas.downstream.segmentation.settings import HeadSpec, SegmentationData
from nas.fidelity import NetworkSpec
from nas.later_settings import plain
from nas.models.reference.descriptions import Buildable

SEGMENTER_FILE = "segmenter.safetensors"


@dataclass(frozen=True, slots=True)
class SegmentationPlan:
    """Everything that determines the outcome of a segmenter's training.

    Attributes:
        start: a trained classifier to start from, see `nas.downstream.backbone.load_backbone`; None for random weights.
        accept_data: whether a training is resumed although its images have changed.
    """

    architecture: Buildable
    network: NetworkSpec
    head: HeadSpec
    data: SegmentationData
    recipe: DenseRecipe
    seed: int = 0
    start: str | None = None
    accept_data: bool = False

    def split(self, folder: SegmentationFolder, split: SegmentationSplit) -> SegmentationImages:
        """Returns the images of a split, of this folder or another one, with this plan's sizes."""
        return SegmentationImages(split.pairs, split.classes or folder.classes, self.recipe, crop=self.data.crop)


def run_segmentation(
    plan: SegmentationPlan, folder: SegmentationFolder, out: Path, watch: DenseWatch = SILENT
) -> dict[str, Any]:
    """Trains and evaluates a segmenter in a folder, to which ``segmenter.safetensors`` is written at the end.

    Returns and raises what `nas.downstream.run.run_dense` does; ``evaluation`` is that of
    `nas.downstream.segmentation.evaluation.evaluate` on the validation images.

    `watch` is called in the first worker only.

    Raises:
        ValueError: if backbone and heads do not fit together.
    """
    return run_dense(build_task(plan, folder), plan.recipe, out, seed=plan.seed, watch=watch)


def train_member(work: tuple[SegmentationPlan, SegmentationFolder], out: Path) -> None:
    """Trains as one of several workers."""
    run_segmentation(*work, out)


def build_task(plan: SegmentationPlan, folder: SegmentationFolder) -> DenseTask:
    """Builds the segmenter, with its images, evaluation and fingerprint.

    Raises:
        ValueError: if backbone and heads do not fit together, or the weights to start from belong to another network.
    """
    backbone = start_backbone(
        plan.architecture, plan.network, plan.recipe, start=plan.start, norm=plan.head.norm, seed=plan.seed
    )
    sides = plan.recipe.scales[-1], plan.recipe.max_side
    description = SegmenterDescription(plan.architecture, plan.network, plan.head, folder.classes, sides)
    network = description.build(seed=plan.seed, backbone=backbone)
    validation = plan.split(folder, folder.validation)
    counts = [folder.classes.count(split.counts) for split in (folder.train, folder.validation)]
    return DenseTask(
        fingerprints=(_fingerprint(plan, folder),),
        network=network,
        images=plan.split(folder, folder.train),
        evaluate=lambda given: evaluate(given, validation, *counts),
        save=lambda out: save_segmenter(out / SEGMENTER_FILE, network, description),
        description={
            "architecture": plan.architecture.fingerprint,
            "head": plan.head.kind,
            "norm": plan.head.norm,
            "output_stride": backbone.strides[-1],
            "started_from": plan.start,
            "class_names": list(folder.classes.names),
            "num_train": len(folder.train),
            "num_validation": len(folder.validation),
            **({} if folder.report is None else {"images": folder.report.counts}),
        },
        without_images=training_fingerprint(_parts(plan), plan.recipe, plan.start),
        accept_images=plan.accept_data,
    )


def _fingerprint(plan: SegmentationPlan, folder: SegmentationFolder) -> str:
    images = {
        "classes": plain(folder.classes),
        "names": [pair.image.name for pair in folder.train.pairs],
        "counts": folder.train.counts.tolist(),
    }
    return training_fingerprint({**_parts(plan), **images}, plan.recipe, plan.start)


def _parts(plan: SegmentationPlan) -> dict[str, Any]:
    return {
        "architecture": plan.architecture.to_json(),
        "network": plain(plan.network),
        "head": plain(plan.head),
        "pictures": plain(replace(plan.data, root=None)),
    }
