"""Metrics of semantic segmentation: intersection over union, and pixel accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.downstream.segmentation.classes import IGNORED, Counts


def confusion(truth: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Computes a confusion matrix.

    Args:
        truth: class numbers of any shape; pixels of `IGNORED` are not counted.
        predicted: class numbers of the same shape.
        num_classes: number of classes.

    Returns:
        Numbers of pixels, int64 (num_classes, num_classes), with a row per true and a column per predicted class.
    """
    counted = truth != IGNORED
    pairs = truth[counted].long() * num_classes + predicted[counted].long()
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def constant_confusion(train: Counts, tested: Counts) -> Tensor:
    """Computes the confusion matrix of always predicting the most frequent class of the training pixels.

    Args:
        train: number of training pixels per class.
        tested: number of evaluated pixels per class.
    """
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
