"""Style: an image takes over the colour statistics of a reference picture and keeps its content.

The statistics are the mean colour and the covariance of the colours; instance normalization removes the former and,
channel by channel, the diagonal of the latter.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

_PICTURE_SIDE = 64
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_MOST_PICTURES = 1000
_FLOOR = 1e-4
"""Least variance of a colour, about (2.5 / 255) squared: flat images have no spread that could be stretched."""


@dataclass(frozen=True, slots=True, eq=False)
class Palettes:
    """Colour statistics of reference pictures.

    Attributes:
        means: of shape (pictures, channels), where white is 1.
        roots: lower Cholesky factors of the covariances, of shape (pictures, channels, channels).
    """

    means: Tensor
    roots: Tensor

    def __len__(self) -> int:
        return len(self.means)


def match_palette(images: Tensor, share: float, palettes: Palettes, generator: torch.Generator) -> Tensor:
    """Moves the colours of each image towards those of a reference picture, drawn for each image.

    Args:
        images: float32 of shape (N, C, H, W), where white is 1.
        share: how far, from 0 to 1.
        palettes: of pictures with as many channels.
        generator: draws the pictures.
    """
    chosen = torch.randint(len(palettes), (len(images),), generator=generator)
    own = palettes_of(images)
    target_means, target_roots = palettes.means[chosen].to(images), palettes.roots[chosen].to(images)
    centred = images.flatten(2) - own.means[..., None]
    whitened = torch.linalg.solve_triangular(own.roots, centred, upper=False)
    styled = target_roots @ whitened + target_means[..., None]
    return torch.lerp(images, styled.view_as(images), share)


def palettes_of(images: Tensor) -> Palettes:
    """Measures the colour statistics of images of shape (N, C, H, W), where white is 1."""
    pixels = images.flatten(2)
    means = pixels.mean(2)
    centred = pixels - means[..., None]
    covariances = centred @ centred.mT / pixels.shape[2]
    covariances = covariances + _FLOOR * torch.eye(images.shape[1], device=images.device)
    return Palettes(means, torch.linalg.cholesky(covariances))


def read_palettes(folder: str | Path | None, *, num_channels: int = 3) -> Palettes:
    """Measures the colour statistics of the pictures in a folder.

    Args:
        folder: with pictures, in itself or in folders below; None takes the quarters of the two photographs that come
            with scikit-learn, a Chinese palace and a dahlia.
        num_channels: 3 for colour, 1 for grey.

    Raises:
        ValueError: if the folder is missing, holds no picture, or a picture cannot be read.
    """
    pictures = _builtin_pictures() if folder is None else [_read(path) for path in _picture_paths(Path(folder))]
    mode = "RGB" if num_channels == 3 else "L"
    small = [picture.convert(mode).resize((_PICTURE_SIDE, _PICTURE_SIDE), Image.Resampling.BOX) for picture in pictures]
    values = torch.from_numpy(np.stack([np.atleast_3d(np.asarray(picture)) for picture in small]))
    return palettes_of(values.permute(0, 3, 1, 2).float() / 255)


def _builtin_pictures() -> list[Image.Image]:
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images  # type: ignore[no-untyped-call]
    halves = [half for pixels in photographs for half in np.array_split(pixels, 2, axis=0)]
    return [Image.fromarray(quarter) for half in halves for quarter in np.array_split(half, 2, axis=1)]


def _picture_paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder} with reference pictures")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise ValueError(f"there is no picture in {folder}; allowed: {', '.join(sorted(_SUFFIXES))}")
    return paths[:: max(1, -(-len(paths) // _MOST_PICTURES))]


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (_PICTURE_SIDE, _PICTURE_SIDE))
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"the picture {path} cannot be read: {error}") from None
