"""Shifts that model lens, sensor, weather and compression; they combine pixels or are random.

Each function takes float32 images of shape (N, C, H, W) with values from 0 to 1 and a strength.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

REFERENCE_SIDE = 32
"""Image size in pixels for which lengths are given; they scale with the image."""

_FOG_GRIDS = (2, 4, 8)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blurs with a Gaussian of standard deviation `sigma` pixels for images of 32x32, scaled for other sizes."""
    from torchvision.transforms import functional as vision

    side = min(images.shape[2:])
    scaled = sigma * side / REFERENCE_SIDE
    radius = min(math.ceil(3 * scaled), side - 1)  # reflection padding must be smaller than the image
    blurred: Tensor = vision.gaussian_blur(images, [2 * radius + 1, 2 * radius + 1], [scaled, scaled])
    return blurred


def noise(images: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    """Adds Gaussian noise to every value."""
    drawn = _for_each(images, lambda: torch.randn(images.shape[1:], generator=generator))
    return images + deviation * drawn


def jpeg(images: Tensor, quality: float) -> Tensor:
    """Compresses as JPEG with a quality from 1 to 100; uses Pillow, one image at a time."""
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    read = np.stack([_through_jpeg(image, int(quality)) for image in pixels])
    return torch.from_numpy(read).permute(0, 3, 1, 2).to(images.device, images.dtype) / 255


def fog(images: Tensor, density: float, generator: torch.Generator) -> Tensor:
    """Adds white fog with an opacity of `density` where it is thickest and half of it where it is thinnest.

    The fog is random noise of three scales, each with half the amplitude of the one before.
    """
    drawn = _for_each(images, lambda: torch.rand(sum(side**2 for side in _FOG_GRIDS), generator=generator))
    field = torch.zeros_like(images[:, :1])
    for octave, values in enumerate(torch.split(drawn, [side**2 for side in _FOG_GRIDS], dim=1)):
        grid = values.view(-1, 1, _FOG_GRIDS[octave], _FOG_GRIDS[octave])
        field += F.interpolate(grid, images.shape[2:], mode="bilinear", align_corners=True) / 2**octave
    thickest = field.amax((2, 3), keepdim=True)
    return torch.lerp(images, torch.ones_like(images), density * (1 + field / thickest) / 2)


def _for_each(images: Tensor, draw: Callable[[], Tensor]) -> Tensor:
    """Draws random numbers image by image, so that those of an image do not depend on the number of images."""
    return torch.stack([draw() for _ in images]).to(images.device)


def _through_jpeg(pixels: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """Compresses and decodes an image of shape (H, W, 1 or 3)."""
    with io.BytesIO() as file:
        Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file)).reshape(pixels.shape)
