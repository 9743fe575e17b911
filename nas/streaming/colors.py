"""Color jitter, lighting, normalization and cutout of whole batches on the device.

Brightness, contrast and saturation are affine maps of the three colors of a pixel, so those of an image, in its own
random order, and its lighting are one 3x3 matrix and an offset, applied in a single pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import torch
from torch import Tensor

from nas.data.data_set import DataSet
from nas.recipe import TrainRecipe

_GRAY = (0.2989, 0.587, 0.114)
_ORDERS = tuple(permutations(range(3)))
_JITTER, _ORDER, _LIGHTING, _CENTER = slice(0, 3), 3, slice(4, 7), slice(7, 9)


class BatchColors:
    """Turns batches of bytes (N, 3, H, W) into normalized images, float32 (N, 3, H, W), in the recipe's memory format.

    Colors are clipped once after jitter, where torchvision clips after each of its three steps; lighting is added after
    it, as there.

    Args:
        data: whose mean and standard deviation normalize.
        recipe: settings `color_jitter`, `lighting`, `cutout` and `channels_last`.
        axes: principal axes of color (3, 3) for `lighting`, columns scaled by variance.
    """

    def __init__(self, data: DataSet, recipe: TrainRecipe, *, axes: Tensor | None, device: torch.device) -> None:
        self._recipe = recipe
        self._layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self._mean = torch.tensor(data.mean, dtype=torch.float32, device=device)[:, None]
        self._std = torch.tensor(data.std, dtype=torch.float32, device=device)[:, None]
        self._gray = torch.tensor(_GRAY, device=device)
        self._orders = torch.tensor(_ORDERS, device=device)
        self._axes = None if axes is None else axes.to(device)

    def __call__(self, pixels: Tensor, draws: Tensor | None = None) -> Tensor:
        """Returns the images; without draws, a row of `NUM_DRAWS` numbers for each image, they are only normalized."""
        images = torch.empty(pixels.shape, dtype=torch.float32, device=pixels.device, memory_format=self._layout)
        mean, scale = self._mean.expand(len(pixels), 3, 1), 1 / self._std
        if draws is not None and self._axes is not None:
            mean = mean - (draws[:, _LIGHTING] @ self._axes.T)[:, :, None]
        jitter = None
        if draws is not None and self._recipe.color_jitter:
            means = torch.cat([values.mean(2) for _, values in _floats(pixels)]) / 255
            matrix, offset = self._jitter(means, draws)
            jitter = matrix / 255, offset[:, :, None]
        else:
            mean, scale = mean * 255, scale / 255
        for places, values in _floats(pixels):
            if jitter is not None:
                values = torch.baddbmm(jitter[1][places], jitter[0][places], values).clamp_(0, 1)  # noqa: PLW2901
            images[places] = values.sub_(mean[places]).mul_(scale).view_as(images[places])
        if draws is not None and self._recipe.cutout:
            return self._cut_out(images, draws[:, _CENTER])
        return images

    def _jitter(self, means: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the matrices (N, 3, 3) and offsets (N, 3) of the jitter of images with these mean colors (N, 3)."""
        eye = torch.eye(3, device=means.device).expand(len(means), 3, 3)
        matrix, offset = eye, torch.zeros_like(means)
        orders = self._orders[draws[:, _ORDER].long()]
        for place in range(3):
            kind = orders[:, place, None]
            factor = draws[:, _JITTER].gather(1, kind)
            rest = 1 - factor
            now = (matrix @ means[:, :, None])[:, :, 0] + offset
            is_contrast, is_saturation = (kind == 1).float(), (kind == 2).float()
            step = factor[:, :, None] * eye + (rest * is_saturation)[:, :, None] * self._gray.expand(3, 3)
            added = rest * is_contrast * (now @ self._gray)[:, None]
            matrix, offset = step @ matrix, (step @ offset[:, :, None])[:, :, 0] + added
        return matrix, offset

    def _cut_out(self, images: Tensor, centers: Tensor) -> Tensor:
        """Sets a square of each image to zero, in place (1708.04552, section 3)."""
        size = self._recipe.cutout
        inside = []
        for length, center in zip(images.shape[2:], centers.unbind(1), strict=True):
            distance = torch.arange(length, device=images.device) - (center[:, None] - size // 2)
            inside.append((distance >= 0) & (distance < size))
        square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return images.masked_fill_(square, 0)


def _floats(pixels: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yields some images of a batch as floats (n, 3, pixels): all on a GPU, on a CPU one, which stays in its cache."""
    step = max(1, len(pixels)) if pixels.device.type != "cpu" else 1
    for start in range(0, len(pixels), step):
        places = slice(start, start + step)
        yield places, pixels[places].flatten(2).float()
