"""Style shift: images take over the color statistics of reference images and keep their content.

The statistics are mean and covariance of the colors. Instance normalization removes the mean and, per channel, the
variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from nas.data.image_decoding import to_rgb
from nas.data.image_files import find_images, image_suffixes

_IMAGE_SIDE = 64
_MAX_IMAGES = 1000
_FLOOR = 1e-4
"""Minimum variance of a color, about (2.5 / 255) squared, since uniform images have none."""


@dataclass(frozen=True, slots=True, eq=False)
class Palettes:
    """Color statistics of images with values from 0 to 1.

    Attributes:
        means: mean colors, (images, channels).
        roots: lower Cholesky factors of the covariances, (images, channels, channels).
    """

    means: Tensor
    roots: Tensor

    def __len__(self) -> int:
        return len(self.means)


def match_palette(images: Tensor, share: float, palettes: Palettes, generator: torch.Generator) -> Tensor:
    """Blends each image with a version in the colors of a random reference image.

    The images are float32 of shape (N, C, H, W), the palettes have C channels; values and share are from 0 to 1.
    """
    chosen = torch.randint(len(palettes), (len(images),), generator=generator)
    own = palettes_of(images)
    target_means, target_roots = palettes.means[chosen].to(images), palettes.roots[chosen].to(images)
    centred = images.flatten(2) - own.means[..., None]
    whitened = torch.linalg.solve_triangular(own.roots, centred, upper=False)
    styled = target_roots @ whitened + target_means[..., None]
    return torch.lerp(images, styled.view_as(images), share)


def palettes_of(images: Tensor) -> Palettes:
    """Computes the color statistics of images of shape (N, C, H, W) with values from 0 to 1."""
    pixels = images.flatten(2)
    means = pixels.mean(2)
    centred = pixels - means[..., None]
    covariances = centred @ centred.mT / pixels.shape[2]
    covariances = covariances + _FLOOR * torch.eye(images.shape[1], device=images.device)
    return Palettes(means, torch.linalg.cholesky(covariances))


def read_palettes(folder: str | Path | None, *, num_channels: int = 3) -> Palettes:
    """Computes the color statistics of the images in a folder, searched recursively; None uses `builtin_palettes`.

    Of more than 1,000 images, evenly spaced ones are read.

    The number of channels is 3 for color, 1 for grayscale. Raises ValueError if the folder is missing or has no images,
    or an image cannot be read.
    """
    if folder is None:
        return builtin_palettes(num_channels)
    return _palettes([_read(path) for path in _image_paths(Path(folder))], num_channels)


@cache
def builtin_palettes(num_channels: int) -> Palettes:
    """Computes the color statistics of the quarters of scikit-learn's photographs, a Chinese palace and a dahlia."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images  # type: ignore[no-untyped-call]
    halves = [half for pixels in photographs for half in np.array_split(pixels, 2, axis=0)]
    quarters = [Image.fromarray(quarter) for half in halves for quarter in np.array_split(half, 2, axis=1)]
    return _palettes(quarters, num_channels)


def _palettes(images: list[Image.Image], num_channels: int) -> Palettes:
    mode = "RGB" if num_channels == 3 else "L"
    small = [image.convert(mode).resize((_IMAGE_SIDE, _IMAGE_SIDE), Image.Resampling.BOX) for image in images]
    values = torch.from_numpy(np.stack([np.atleast_3d(np.asarray(image)) for image in small]))
    return palettes_of(values.permute(0, 3, 1, 2).float() / 255)


def _image_paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder} with reference images")
    paths = [folder / name for name in find_images(folder).names]
    if not paths:
        raise ValueError(f"there is no image in {folder}; allowed: {', '.join(sorted(image_suffixes()))}")
    return paths[:: max(1, -(-len(paths) // _MAX_IMAGES))]


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.draft("RGB", (_IMAGE_SIDE, _IMAGE_SIDE))
            return to_rgb(image)
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image {path} cannot be read: {error}") from None
