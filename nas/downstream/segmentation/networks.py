"""A backbone with one of torchvision's heads: a class for every pixel."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from nas.downstream.backbone import Backbone
from nas.downstream.segmentation.classes import IGNORED
from nas.downstream.segmentation.images import MEAN, STD
from nas.downstream.segmentation.settings import HeadSpec
from nas.models.replace_norms import replace_norms


class Segmenter(nn.Module):
    """A network that says for every pixel what it belongs to. Build it with `build_segmenter`.

    Args:
        backbone: its last stage is read, as it is: nothing is dilated.
        num_classes: of the pixels.
        spec: of the heads.

    Attributes:
        backbone: with its norms as `spec` asks for.
        spec: of the heads.
        num_classes: of the pixels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, num_classes: int, spec: HeadSpec) -> None:
        super().__init__()
        _check_fits(backbone, spec)
        self.backbone = backbone
        self.spec = spec
        self.num_classes = num_classes
        self.register_buffer("mean", torch.tensor(backbone.mean or MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std or STD).view(3, 1, 1))
        last = backbone.channels[-1]
        self.head = FCNHead(last, num_classes) if spec.kind == "fcn" else _deeplab(last, num_classes, spec)
        self.auxiliary = FCNHead(backbone.channels[-2], num_classes) if spec.auxiliary else None
        # our batch norm, unlike torch's, takes a batch of one value, as DeepLab's pooled map of one picture is
        norm = "bn" if spec.norm in {None, "frozen_bn"} else cast("str", spec.norm)
        replace_norms(self.head, norm)
        if self.auxiliary is not None:
            replace_norms(self.auxiliary, norm)

    def forward(self, pictures: Tensor, truth: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """Computes logits, or with the truth the losses.

        Args:
            pictures: (N, 3, H, W), where white is 1.
            truth: numbers of the classes, int64 of shape (N, H, W), `IGNORED` where there is none.

        Returns:
            Logits (N, num_classes, H, W); with the truth the cross-entropy of the pixels, ``pixels``, and that of the
            auxiliary head, weighted, ``auxiliary``.
        """
        maps = self.backbone((pictures - self.mean) / self.std)
        *earlier, last = maps.values()
        logits = _enlarge(self.head(last), pictures)
        if truth is None:
            return logits
        losses = {"pixels": pixel_loss(logits, truth)}
        if self.auxiliary is not None:
            second = _enlarge(self.auxiliary(earlier[-1]), pictures)
            losses["auxiliary"] = self.spec.auxiliary_weight * pixel_loss(second, truth)
        return losses


def build_segmenter(backbone: Backbone, num_classes: int, spec: HeadSpec, *, seed: int) -> Segmenter:
    """Puts heads with initial weights on a backbone; torch's own generator is left as it was.

    Args:
        backbone: becomes part of the network.
        num_classes: of the pixels.
        spec: of the heads.
        seed: of the heads' weights.

    Raises:
        ValueError: if the backbone does not take colour pictures, or is too narrow or too short for the heads.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        return Segmenter(backbone, num_classes, spec)


def pixel_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """The mean cross-entropy of the labelled pixels; 0 where there are none, as in a cut of sky that nobody labelled.

    Args:
        logits: (N, classes, H, W).
        truth: numbers of the classes, (N, H, W).
    """
    total = F.cross_entropy(logits.float(), truth, ignore_index=IGNORED, reduction="sum")
    return total / (truth != IGNORED).sum().clamp(min=1)


def _enlarge(logits: Tensor, pictures: Tensor) -> Tensor:
    return F.interpolate(logits, size=pictures.shape[-2:], mode="bilinear", align_corners=False)


def _deeplab(channels: int, num_classes: int, spec: HeadSpec) -> DeepLabHead:
    return DeepLabHead(channels, num_classes, spec.atrous_rates)


def _check_fits(backbone: Backbone, spec: HeadSpec) -> None:
    if backbone.network.spec.in_channels != 3:
        raise ValueError(f"pictures have 3 channels, the backbone takes {backbone.network.spec.in_channels}")
    if spec.auxiliary and len(backbone.channels) < 2:
        raise ValueError("an auxiliary head needs a backbone of at least 2 stages, got 1")
    read = backbone.channels[-2:] if spec.auxiliary else backbone.channels[-1:]
    if min(read) < 4:
        raise ValueError(f"the head divides the channels of a stage by 4, so there must be at least 4, got {min(read)}")
