"""Residual blocks with squeeze-and-excitation (1709.01507), as in IBN-Net's code: without biases."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

_REDUCTION = 16


class SqueezeExcitation(nn.Module):
    """Scales each channel by a number between 0 and 1 that depends on the means of all channels."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        narrow = num_channels // _REDUCTION
        self.fc = nn.Sequential(
            nn.Linear(num_channels, narrow, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(narrow, num_channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, C, H, W) to the same shape."""
        scales: Tensor = self.fc(images.mean((2, 3)))
        return images * scales[:, :, None, None]


class SqueezeBottleneck(Bottleneck):
    """A bottleneck with squeeze-and-excitation at the end of its residual branch."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401 - torchvision's
        super().__init__(*arguments, **settings)
        self.se = SqueezeExcitation(self.conv3.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to the output of the block."""
        result: Tensor = self.relu(residual_sum(self, x))
        return result


def residual_sum(block: nn.Module, images: Tensor) -> Tensor:
    """Computes the sum of branch and shortcut of one of torchvision's residual blocks, before the last ReLU."""
    parts: Any = block
    branch = parts.bn2(parts.conv2(parts.relu(parts.bn1(parts.conv1(images)))))
    if isinstance(block, Bottleneck):
        branch = parts.bn3(parts.conv3(parts.relu(branch)))
    if isinstance(block, SqueezeBottleneck):
        branch = block.se(branch)
    shortcut = images if parts.downsample is None else parts.downsample(images)
    result: Tensor = branch + shortcut
    return result
