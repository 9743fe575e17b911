"""Shifts of single pixels that torchvision lacks.

Each function takes float32 images of shape (N, C, H, W) with values from 0 to 1 and a strength. Values outside that
range are clipped by the caller.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEVELS = 255


def add_all(images: Tensor, levels: float) -> Tensor:
    """Adds a number of levels (of 255) to every channel (IBN-Net, 1807.09441: RGB + 50)."""
    return images + levels / _LEVELS


def add_red(images: Tensor, levels: float) -> Tensor:
    """Adds a number of levels (of 255) to the red channel (IBN-Net, 1807.09441: R + 50)."""
    return torch.cat((images[:, :1] + levels / _LEVELS, images[:, 1:]), dim=1)


def divide_contrast(images: Tensor, divisor: float) -> Tensor:
    """Divides the deviation from the mean of each image and channel (IBN-Net, 1807.09441: std / 1.5)."""
    mean = images.mean((2, 3), keepdim=True)
    return mean + (images - mean) / divisor


def grey(images: Tensor, share: float) -> Tensor:
    """Blends every pixel with its gray value; a share of 1 removes all color."""
    from torchvision.transforms import functional as vision

    return torch.lerp(images, vision.rgb_to_grayscale(images, num_output_channels=3), share)


def temperature(images: Tensor, share: float) -> Tensor:
    """Warms colors: scales red by 1 + share and blue by 1 - share."""
    gains = torch.tensor([1 + share, 1.0, 1 - share], device=images.device)
    return images * gains[:, None, None]
