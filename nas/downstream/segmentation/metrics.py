"""How well pixels are told apart: intersection over union, and the share that is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.downstream.segmentation.classes import IGNORED, Counts


def confusion(truth: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Counts the pixels of each pair of classes.

    Args:
        truth: numbers of the classes, of any shape; `IGNORED` counts nowhere.
        predicted: numbers of the classes, of the same shape.
        num_classes: of the network.

    Returns:
        int64 of shape (num_classes, num_classes): row by truth, column by prediction.
    """
    counted = truth != IGNORED
    pairs = truth[counted].long() * num_classes + predicted[counted].long()
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def constant_confusion(train: Counts, tested: Counts) -> Tensor:
    """What a network gives that says of every pixel the class with the most pixels in training.

    Args:
        train: pixels by class, in training.
        tested: pixels by class, where it is measured.
    """
    counts = torch.zeros(len(tested), len(tested), dtype=torch.int64)
    counts[:, int(np.argmax(train))] = torch.from_numpy(tested)
    return counts


def scores(counts: Tensor) -> dict[str, Any]:
    """What a matrix of `confusion` says, as plain data.

    Returns:
        ``mean_iou``: the mean of the classes' intersections over unions, over the classes that occur in the truth or
        among the predictions; ``pixel_accuracy``: the share of the labelled pixels that is right; ``iou``: that of each
        class, None where it occurs in neither; ``pixels``: labelled ones of each class.

    Raises:
        ValueError: if no pixel was counted.
    """
    right, truth, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    union = truth + predicted - right
    total = int(truth.sum())
    if total == 0:
        raise ValueError("there must be at least 1 labelled pixel to be measured by, got none")
    occurs = union > 0
    shares = right.double() / union.clamp(min=1)
    return {
        "mean_iou": float(shares[occurs].mean()),
        "pixel_accuracy": int(right.sum()) / total,
        "iou": [float(share) if there else None for share, there in zip(shares, occurs, strict=True)],
        "pixels": truth.tolist(),
    }
