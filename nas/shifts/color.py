"""Shifts of every pixel by itself: lightness, contrast and colour.

Each takes images as float32 of shape (N, C, H, W), where white is 1, and one number for the strength. What leaves the
range from 0 to 1 is cut off afterwards, as a camera would.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms import functional as vision

_LEVELS = 255


def add_all(images: Tensor, levels: float) -> Tensor:
    """Adds so many of 255 levels to every channel (IBN-Net, 1807.09441: RGB + 50)."""
    return images + levels / _LEVELS


def add_red(images: Tensor, levels: float) -> Tensor:
    """Adds so many of 255 levels to the red channel only (IBN-Net, 1807.09441: R + 50)."""
    return torch.cat((images[:, :1] + levels / _LEVELS, images[:, 1:]), dim=1)


def divide_contrast(images: Tensor, divisor: float) -> Tensor:
    """Divides each image's deviation from its own mean, channel by channel (IBN-Net, 1807.09441: std / 1.5)."""
    mean = images.mean((2, 3), keepdim=True)
    return mean + (images - mean) / divisor


def brightness(images: Tensor, factor: float) -> Tensor:
    """Multiplies every value: less light for a factor below 1."""
    return vision.adjust_brightness(images, factor)


def contrast(images: Tensor, factor: float) -> Tensor:
    """Multiplies each image's deviation from its mean lightness: harsher for a factor above 1."""
    return vision.adjust_contrast(images, factor)


def saturation(images: Tensor, factor: float) -> Tensor:
    """Multiplies each pixel's deviation from its own grey: more colourful for a factor above 1."""
    return vision.adjust_saturation(images, factor)


def hue(images: Tensor, turn: float) -> Tensor:
    """Turns every hue by a share of the colour circle, at most 0.5."""
    return vision.adjust_hue(images, turn)


def grey(images: Tensor, share: float) -> Tensor:
    """Moves every pixel towards its own grey: colourless for a share of 1."""
    return torch.lerp(images, vision.rgb_to_grayscale(images, num_output_channels=3), share)


def temperature(images: Tensor, share: float) -> Tensor:
    """Warms the light: so much more red and so much less blue."""
    gains = torch.tensor([1 + share, 1.0, 1 - share], device=images.device)
    return images * gains[:, None, None]


def gamma(images: Tensor, exponent: float) -> Tensor:
    """Raises every value to a power: darker mid-tones for an exponent above 1."""
    return vision.adjust_gamma(images, exponent)
