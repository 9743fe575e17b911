"""Feature pyramids (1612.03144) on backbones of ours, with the norms of 1811.08883 where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from nas.downstream.backbone import Backbone
from nas.models.normalization import BatchNorm, NormSettings, group_norm
from nas.models.sync_norm import SyncBatchNorm

NormLayer: TypeAlias = Callable[[int], nn.Module]

HEAD_NORMS: Mapping[str, NormLayer] = MappingProxyType(
    {
        "bn": BatchNorm,
        "gn": lambda num_channels: group_norm(num_channels, NormSettings()),
        "syncbn": SyncBatchNorm,
    }
)
"""Norms of pyramid and heads, by name."""


class Pyramid(nn.Module):
    """A backbone with a pyramid of maps of equal width on it, and one more map of half the size of the last.

    Args:
        body: the backbone.
        num_channels: of each map.
        norm: builds what normalizes the pyramid's convolutions; None for none.
        min_stride: maps of the backbone with a smaller stride are left out.

    Attributes:
        out_channels: of each map, as torchvision's detectors want to know it.
        strides: of all maps, the additional one last.
        levels: names of the maps that stand on one of the backbone's.

    Raises:
        ValueError: if the strides of the backbone do not fit a pyramid.
    """

    def __init__(
        self, body: Backbone, num_channels: int, *, norm: NormLayer | None = None, min_stride: int = 1
    ) -> None:
        super().__init__()
        chosen = [level for level, stride in enumerate(body.strides) if stride >= min_stride]
        strides = [body.strides[level] for level in chosen]
        check_strides(strides, body.strides)
        self.body = body
        self.fpn = FeaturePyramidNetwork(
            [body.channels[level] for level in chosen], num_channels, LastLevelMaxPool(), norm_layer=norm
        )
        self.out_channels = num_channels
        self.strides = (*strides, 2 * strides[-1])
        self._chosen = [str(level) for level in chosen]
        self.levels = tuple(str(place) for place in range(len(chosen)))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps images (N, C, H, W) to maps (N, out_channels, h, w) by name, the finest first, ``pool`` last."""
        maps = self.body(images)
        pyramid: dict[str, Tensor] = self.fpn(
            {name: maps[level] for name, level in zip(self.levels, self._chosen, strict=True)}
        )
        return pyramid


def check_strides(strides: Sequence[int], of_backbone: Sequence[int]) -> None:
    """Raises ValueError unless a pyramid can stand on maps of these strides.

    Args:
        strides: of the maps that it would stand on.
        of_backbone: of all that there are, for the message.
    """
    if len(strides) < 2 or any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
        raise ValueError(
            "a feature pyramid needs at least two maps, each of twice the stride of the one before, got strides "
            f"{', '.join(map(str, strides)) or 'none'} of the backbone's {', '.join(map(str, of_backbone))}: change "
            "detector.min_stride, or network.num_stages, network.stem and network.num_stem_cells"
        )
