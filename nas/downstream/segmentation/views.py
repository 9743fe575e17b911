"""Prediction from several views of an image: sizes, and mirrored or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as change


@dataclass(frozen=True, slots=True)
class Views:
    """Views of an image whose predicted probabilities are averaged.

    Attributes:
        scales: factors of the size at which images are evaluated.
        flip: whether each of them is mirrored too.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    @property
    def is_single(self) -> bool:
        """Whether there is only the image itself."""
        return self == Views()

    def to_json(self) -> dict[str, Any] | None:
        """Returns plain data; None for the image itself."""
        return None if self.is_single else {"scales": [*self.scales], "flip": self.flip}


SINGLE = Views()


@torch.no_grad()
def predict(network: nn.Module, image: Tensor, size: torch.Size | tuple[int, int], views: Views = SINGLE) -> Tensor:
    """Predicts class numbers, int64 of the given size, for one image, uint8 (3, h, w) on the network's device."""
    if views.is_single:
        scores = _logits(network, image, size)
    else:
        scores = torch.stack([_probabilities(network, image, size, scale, views) for scale in views.scales]).sum(0)
    return scores.max(0).indices  # 10 times faster than argmax over the first axis on a CPU


def _probabilities(
    network: nn.Module, image: Tensor, size: torch.Size | tuple[int, int], scale: float, views: Views
) -> Tensor:
    scaled = change.resize(image, [max(1, round(scale * length)) for length in image.shape[1:]])
    total = _logits(network, scaled, size).softmax(0)
    return total + _logits(network, scaled.flip(-1), size).flip(-1).softmax(0) if views.flip else total


def _logits(network: nn.Module, image: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    logits = network(image[None].float() / 255)
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)[0]
