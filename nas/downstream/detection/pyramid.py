"""Feature pyramids (1612.03144) on backbones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from nas.downstream.backbone import Backbone
from nas.downstream.norms import NormLayer


class Pyramid(nn.Module):
    """A feature pyramid with maps of equal width, and one more map of half the size of the coarsest.

    Args:
        body: the backbone.
        num_channels: of each map.
        norm: builds the norms of the pyramid's convolutions; None for none.
        min_stride: maps of the backbone with a smaller stride are not used.

    Attributes:
        out_channels: of each map; the name that torchvision's detectors read.
        strides: of all maps, from the finest to the additional one.
        levels: names of the maps without the additional one.

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
        """Computes maps (N, out_channels, h, w) of images (N, C, H, W) by name, from the finest to ``pool``."""
        maps = self.body(images)
        pyramid: dict[str, Tensor] = self.fpn(
            {name: maps[level] for name, level in zip(self.levels, self._chosen, strict=True)}
        )
        return pyramid


def check_strides(strides: Sequence[int], of_backbone: Sequence[int]) -> None:
    """Raises ValueError unless a pyramid can be built on maps of these strides.

    Args:
        strides: of the maps that would be used.
        of_backbone: of all maps of the backbone, for the message.
    """
    if len(strides) < 2 or any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
        raise ValueError(
            "a feature pyramid needs at least two maps, each of twice the stride of the one before, got strides "
            f"{', '.join(map(str, strides)) or 'none'} of the backbone's {', '.join(map(str, of_backbone))}: change "
            "detector.min_stride, or network.num_stages, network.stem and network.num_stem_cells"
        )
