"""Auxiliary head: a second classifier at two thirds of the depth, used in training only."""

from __future__ import annotations

from torch import Tensor, nn

from nas.models.layers import Conv
from nas.models.normalization import NormSettings, batch_norm

POOL_SIZE = 5
POOL_STRIDE = 3


class AuxiliaryHead(nn.Module):
    """Classifies a map: pooling, a 1x1 convolution to 128 channels, one of the whole map to 768 (the authors' code).

    The height and width `map_size` are in pixels; maps below 5 pixels are pooled as a whole.
    """

    def __init__(self, num_channels: int, map_size: int, num_classes: int, norms: NormSettings) -> None:
        super().__init__()
        pool_size = min(POOL_SIZE, map_size)
        pooled_size = (map_size - pool_size) // POOL_STRIDE + 1
        self.pool = nn.AvgPool2d(pool_size, POOL_STRIDE)
        self.mix = nn.Sequential(Conv(num_channels, 128, 1), batch_norm(128, norms), nn.ReLU(inplace=True))
        self.read = nn.Sequential(
            nn.Conv2d(128, 768, pooled_size, bias=False), batch_norm(768, norms), nn.ReLU(inplace=True)
        )
        self.classifier = nn.Linear(768, num_classes)

    def forward(self, rectified: Tensor) -> Tensor:
        """Maps a cell output after ReLU (N, C, map_size, map_size) to logits (N, num_classes)."""
        logits: Tensor = self.classifier(self.read(self.mix(self.pool(rectified))).mean((2, 3)))
        return logits
