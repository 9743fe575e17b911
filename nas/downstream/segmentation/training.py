"""Training a segmenter in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from torch import nn

from nas.architecture import fingerprint_json
from nas.downstream.backbone import Backbone, build_backbone, load_backbone, trained_file
from nas.downstream.recipe import DenseRecipe
from nas.downstream.run import DenseTask, DenseWatch, run_dense
from nas.downstream.segmentation.checkpoint import save_segmenter
from nas.downstream.segmentation.data import SegmentationFolder, SegmentationSplit
from nas.downstream.segmentation.evaluation import evaluate
from nas.downstream.segmentation.images import SegmentationPictures
from nas.downstream.segmentation.networks import Segmenter, build_segmenter
from nas.downstream.segmentation.settings import HeadSpec, PicturesSpec
from nas.fidelity import NetworkSpec
from nas.models.build import Buildable

SEGMENTER_FILE = "segmenter.safetensors"
_FREE = ("device", "num_threads", "record_iterations", "checkpoint_iterations", "evaluation_iterations")
"""Settings of a recipe that may be others when a training goes on: what comes of it stays the same."""


@dataclass(frozen=True, slots=True)
class SegmentationPlan:
    """All that decides what comes of a training.

    Attributes:
        architecture: of the backbone.
        network: around its cells.
        head: what stands on it.
        pictures: which.
        recipe: how it is trained.
        seed: of initial weights, order of pictures and changes.
        start: a checkpoint or a folder whose weights the backbone starts from; None for random ones.
    """

    architecture: Buildable
    network: NetworkSpec
    head: HeadSpec
    pictures: PicturesSpec
    recipe: DenseRecipe
    seed: int = 0
    start: str | None = None

    def build(self, num_classes: int) -> Segmenter:
        """Builds the network that the training starts from.

        Raises:
            ValueError: if backbone and heads do not fit, or there are no weights to start from.
        """
        return build_segmenter(self._backbone(), num_classes, self.head, seed=self.seed)

    def fingerprint(self, folder: SegmentationFolder) -> str:
        """32 hexadecimal digits, equal for trainings of which one can go on where the other was."""
        value = {
            "architecture": self.architecture.to_json(),
            "network": _plain(self.network),
            "head": _plain(self.head),
            "pictures": _plain(replace(self.pictures, root=None)),
            "recipe": {name: value for name, value in _plain(self.recipe).items() if name not in _FREE},
            "classes": _plain(folder.classes),
            "names": [pair.picture.name for pair in folder.train.pairs],
            "counts": folder.train.counts.tolist(),
            "start": None if self.start is None else _digest(Path(self.start)),
        }
        return fingerprint_json(value)

    def split(self, folder: SegmentationFolder, split: SegmentationSplit) -> SegmentationPictures:
        """Pictures of the folder or of another one, as this plan scales them."""
        return SegmentationPictures(split.pairs, folder.classes, self.recipe, crop=self.pictures.crop)

    def _backbone(self) -> Backbone:
        if self.start is None:
            if self.head.norm == "frozen_bn":
                raise ValueError("head.norm frozen_bn freezes statistics, so it needs a trained backbone to start from")
            return build_backbone(self.architecture, self.network, norm=self.head.norm, seed=self.seed)
        return load_backbone(Path(self.start), norm=self.head.norm)


def run_segmentation(
    plan: SegmentationPlan, folder: SegmentationFolder, out: Path, watch: DenseWatch | None = None
) -> dict[str, Any]:
    """Trains from where the folder is to the end, see `nas.downstream.run.run_dense`.

    Args:
        plan: what to train.
        folder: the pictures, as they were read.
        out: an existing folder; in the end it holds ``segmenter.safetensors`` too.
        watch: told of iterations and records; None tells nobody.

    Returns:
        What `result.json` holds; ``evaluation`` is that of `nas.downstream.segmentation.evaluation.evaluate` on the
        validation pictures.

    Raises:
        ValueError: if network, pictures and recipe do not fit, or the checkpoint is of another training.
        RuntimeError: if there is no room for checkpoints, or no such device.
    """
    validation = plan.split(folder, folder.validation)
    train_counts, tested = (folder.classes.count(split.counts) for split in (folder.train, folder.validation))

    def measure(network: nn.Module) -> Mapping[str, Any]:
        return evaluate(network, validation, train_counts, tested)

    def save(path: Path, _: Mapping[str, Any]) -> None:
        sides = plan.recipe.scales[-1], plan.recipe.max_side
        save_segmenter(path / SEGMENTER_FILE, network, folder.classes, sides)

    network = plan.build(len(folder.classes))
    task = DenseTask(
        fingerprint=plan.fingerprint(folder),
        network=network,
        pictures=plan.split(folder, folder.train),
        evaluate=measure,
        save=save,
        description=_describe(plan, folder, network),
    )
    return run_dense(task, plan.recipe, out, seed=plan.seed, watch=watch or DenseWatch())


def train_member(work: tuple[SegmentationPlan, SegmentationFolder], out: Path) -> None:
    """Trains as `run_segmentation` does, as one of several workers."""
    run_segmentation(*work, out)


def _describe(plan: SegmentationPlan, folder: SegmentationFolder, network: Segmenter) -> dict[str, Any]:
    return {
        "architecture": plan.architecture.fingerprint,
        "head": plan.head.kind,
        "norm": plan.head.norm,
        "output_stride": network.backbone.strides[-1],
        "started_from": plan.start,
        "class_names": list(folder.classes.names),
        "num_train": len(folder.train),
        "num_validation": len(folder.validation),
    }


def _plain(value: object) -> Any:  # noqa: ANN401 - plain data
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def _digest(path: Path) -> str:
    """Of a file of weights, or of that of a folder."""
    return hashlib.sha256(trained_file(path).read_bytes()).hexdigest()
