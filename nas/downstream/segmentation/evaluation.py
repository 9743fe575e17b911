"""Evaluation of segmenters on whole images, unchanged or under a shift of appearance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas.downstream.segmentation.classes import IGNORED, Counts
from nas.downstream.segmentation.images import SegmentationImages
from nas.downstream.segmentation.views import SINGLE, Views, predict
from nas.shifts.table import apply_shift
from nas.training.parallel import current_members, sum_over_members
from nas.training.photographs import seed_of


@dataclass(frozen=True, slots=True)
class Look:
    """A shift of appearance.

    Attributes:
        shift: a key of `nas.shifts.table.SHIFTS`.
        severity: 1 to 5.
        seed: of the shift's random numbers, which differ from image to image.
    """

    shift: str
    severity: int = 3
    seed: int = 0

    def apply(self, image: Tensor, index: int) -> Tensor:
        """Shifts one image, uint8 (3, H, W)."""
        return apply_shift(image[None], self.shift, severity=self.severity, seed=seed_of(self.seed, index))[0]


@torch.no_grad()
def count_pixels(
    network: nn.Module, images: SegmentationImages, *, look: Look | None = None, views: Views = SINGLE
) -> Tensor:
    """Computes the confusion matrix of a network over whole images, one image at a time.

    Logits are resized to the original size of the image. Several workers share the images, and all get the sum.

    Args:
        network: in evaluation mode; the result is on its device.
        images: images to evaluate on.
        look: a shift applied to the resized images; None for none.
        views: of each image, whose predictions are averaged.
    """
    device = next(network.parameters()).device
    num_classes = len(images.classes)
    counts = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)
    for index in range(len(images))[current_members().part]:
        image, truth = images.whole(index)
        if look is not None:
            image = look.apply(image, index)
        counts += confusion(truth.to(device), predict(network, image.to(device), truth.shape, views), num_classes)
    return sum_over_members(counts)


def evaluate(
    network: nn.Module,
    images: SegmentationImages,
    train: Counts,
    tested: Counts,
    *,
    look: Look | None = None,
    views: Views = SINGLE,
) -> dict[str, Any]:
    """Evaluates a network, and the constant prediction of the most frequent class in training, see `count_pixels`.

    `train` and `tested` are the numbers of pixels per class of the training images and of these images.

    Returns:
        The `scores`, and ``constant`` with the ``mean_iou`` and ``pixel_accuracy`` of the constant prediction.
    """
    constant = scores(constant_confusion(train, tested))
    measured = scores(count_pixels(network, images, look=look, views=views).cpu())
    return {**measured, "constant": {name: constant[name] for name in ("mean_iou", "pixel_accuracy")}}


def confusion(truth: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Computes a confusion matrix from class numbers of any equal shape; true `IGNORED` is not counted.

    Returns:
        Numbers of pixels, int64 (num_classes, num_classes), with a row per true and a column per predicted class.
    """
    counted = truth != IGNORED
    pairs = truth[counted].long() * num_classes + predicted[counted].long()
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def constant_confusion(train: Counts, tested: Counts) -> Tensor:
    """Computes the confusion matrix of always predicting the most frequent class of training on the tested pixels."""
    counts = torch.zeros(len(tested), len(tested), dtype=torch.int64)
    counts[:, int(np.argmax(train))] = torch.from_numpy(tested)
    return counts


def scores(counts: Tensor) -> dict[str, Any]:
    """Computes scores from a confusion matrix, as plain data.

    Returns:
        ``mean_iou``: mean intersection over union, over the classes that occur in truth or predictions;
        ``pixel_accuracy``: share of labelled pixels predicted correctly; ``iou``: per class, None where it does not
        occur; ``pixels``: labelled pixels per class.

    Raises:
        ValueError: if no pixel was counted.
    """
    right, truth, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    union = truth + predicted - right
    total = int(truth.sum())
    if total == 0:
        raise ValueError("an evaluation needs at least 1 labelled pixel, got none")
    occurs = union > 0
    shares = right.double() / union.clamp(min=1)
    return {
        "mean_iou": float(shares[occurs].mean()),
        "pixel_accuracy": int(right.sum()) / total,
        "iou": [float(share) if there else None for share, there in zip(shares, occurs, strict=True)],
        "pixels": truth.tolist(),
    }
