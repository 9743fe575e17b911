"""Measuring a segmenter on whole pictures, as they are or with their look shifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.downstream.segmentation.classes import Counts
from nas.downstream.segmentation.images import SegmentationPictures
from nas.downstream.segmentation.metrics import confusion, constant_confusion, scores
from nas.shifts.table import apply_shift
from nas.training.parallel import current_members, sum_over_members
from nas.training.photographs import seed_of


@dataclass(frozen=True, slots=True)
class Look:
    """A shift of appearance.

    Attributes:
        shift: a key of `nas.shifts.table.SHIFTS`.
        severity: 1 to 5.
        seed: of what the shift draws, for each picture anew.
    """

    shift: str
    severity: int = 3
    seed: int = 0

    def apply(self, picture: Tensor, index: int) -> Tensor:
        """Shifts one picture, uint8 of shape (3, H, W)."""
        seed = seed_of(self.seed, index)
        return apply_shift(picture[None], self.shift, severity=self.severity, seed=seed)[0]


@torch.no_grad()
def count_pixels(network: nn.Module, pictures: SegmentationPictures, *, look: Look | None = None) -> Tensor:
    """Has a network say the class of every pixel of whole pictures, one picture at a time.

    Logits are enlarged to the picture's own size, at which its mask is. With several workers each takes its part of the
    pictures, and all get the sum.

    Args:
        network: in evaluation mode.
        pictures: to measure by.
        look: the shift that they undergo, at the size that the network sees; None for none.

    Returns:
        What `nas.downstream.segmentation.metrics.confusion` gives, over all pictures; on the network's device.
    """
    device = next(network.parameters()).device
    num_classes = len(pictures.classes)
    counts = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)
    for index in range(len(pictures))[current_members().part]:
        picture, truth = pictures.whole(index)
        if look is not None:
            picture = look.apply(picture, index)
        counts += confusion(truth.to(device), predict(network, picture.to(device), truth.shape), num_classes)
    return sum_over_members(counts)


@torch.no_grad()
def predict(network: nn.Module, picture: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """The numbers of the classes, int64 of a size, for one picture, uint8 (3, h, w) on the network's device."""
    logits = network(picture[None].float() / 255)
    enlarged = F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)[0]
    return enlarged.max(0).indices  # ten times as fast as argmax over the first axis of a map on a CPU


def evaluate(
    network: nn.Module, pictures: SegmentationPictures, train: Counts, tested: Counts, *, look: Look | None = None
) -> dict[str, Any]:
    """Scores of a network, and of saying everywhere what most of the training pixels are.

    Args:
        network: in evaluation mode.
        pictures: to measure by.
        train: pixels by class, in training.
        tested: pixels by class, of these pictures.
        look: see `count_pixels`.

    Returns:
        What `nas.downstream.segmentation.metrics.scores` gives, and ``constant`` with the ``mean_iou`` and
        ``pixel_accuracy`` of that constant answer.
    """
    constant = scores(constant_confusion(train, tested))
    measured = scores(count_pixels(network, pictures, look=look).cpu())
    return {**measured, "constant": {name: constant[name] for name in ("mean_iou", "pixel_accuracy")}}
