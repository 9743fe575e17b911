"""Semantic segmentation networks: a backbone with one of torchvision's heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from nas.downstream.backbone import Backbone
from nas.downstream.segmentation.classes import IGNORED
from nas.downstream.segmentation.settings import HeadSpec
from nas.models.replace_norms import replace_norms


class Segmenter(nn.Module):
    """A semantic segmentation network; use `build_segmenter` to create it.

    The head reads the last stage of the backbone; `spec` says how the backbone's norms and strides are changed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, num_classes: int, spec: HeadSpec) -> None:
        super().__init__()
        _check_fits(backbone, spec)
        if spec.norm is not None:
            replace_norms(backbone, spec.norm)
        if spec.output_stride is not None:
            backbone.set_output_stride(spec.output_stride)
        self.backbone = backbone
        self.spec = spec
        self.num_classes = num_classes
        self.register_buffer("mean", torch.tensor(backbone.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(3, 1, 1))
        last = backbone.channels[-1]
        self.head = (
            FCNHead(last, num_classes) if spec.kind == "fcn" else DeepLabHead(last, num_classes, spec.atrous_rates)
        )
        self.auxiliary = FCNHead(backbone.channels[-2], num_classes) if spec.auxiliary else None
        for head in (self.head, self.auxiliary):
            if head is not None:  # torch's own batch norm fails on one value, such as DeepLab's pooled map of one image
                replace_norms(head, spec.norm_of_heads)

    def forward(self, images: Tensor, truth: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """Computes logits, or losses if the truth is given.

        Args:
            images: (N, 3, H, W), on a scale where white is 1.
            truth: class numbers, int64 (N, H, W), `IGNORED` where a pixel has no class.

        Returns:
            Logits (N, num_classes, H, W); or the losses ``pixels``, and ``auxiliary``, the weighted loss of the
            auxiliary head. Both are cross-entropies, see `pixel_loss`.
        """
        maps = self.backbone((images - self.mean) / self.std)
        *earlier, last = maps.values()
        logits = _enlarge(self.head(last), images)
        if truth is None:
            return logits
        losses = {"pixels": pixel_loss(logits, truth)}
        if self.auxiliary is not None:
            second = _enlarge(self.auxiliary(earlier[-1]), images)
            losses["auxiliary"] = self.spec.auxiliary_weight * pixel_loss(second, truth)
        return losses


def build_segmenter(backbone: Backbone, num_classes: int, spec: HeadSpec, *, seed: int) -> Segmenter:
    """Adds heads with initial weights to a backbone, without changing torch's global generator.

    Raises:
        ValueError: if the backbone does not take 3 channels, or has too few stages or channels for the heads.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        return Segmenter(backbone, num_classes, spec)


def pixel_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Computes the mean cross-entropy of logits (N, C, H, W) over the labelled pixels of (N, H, W); 0 without any."""
    total = F.cross_entropy(logits.float(), truth, ignore_index=IGNORED, reduction="sum")
    return total / (truth != IGNORED).sum().clamp(min=1)


def _enlarge(logits: Tensor, images: Tensor) -> Tensor:
    return F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)


def _check_fits(backbone: Backbone, spec: HeadSpec) -> None:
    if backbone.network.spec.in_channels != 3:
        raise ValueError(f"network.in_channels must be 3, got {backbone.network.spec.in_channels}")
    if spec.auxiliary and len(backbone.channels) < 2:
        raise ValueError("an auxiliary head needs a backbone of at least 2 stages, got 1")
    read = backbone.channels[-2:] if spec.auxiliary else backbone.channels[-1:]
    if min(read) < 4:
        raise ValueError(f"a stage that a head reads must have at least 4 channels, got {min(read)}")
