"""Batches of a data set in memory, augmented as whole tensors on the device.

The images of a split are kept on the device as uint8 with channels last and zero padding, so that a crop is a single
gather of rows of pixels; no Python code runs per image. Padding is black before normalization; cutout sets pixels to
zero, the mean color, after it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas.data.data_set import DataSet, Split
from nas.recipe import TrainRecipe


class ImageSource:
    """Images of one split on one device, from which batches are taken.

    The images are copied once, with zero padding in pixels; the data set's mean and standard deviation normalize them.
    """

    def __init__(
        self, split: Split, data: DataSet, *, padding: int = 0, device: torch.device, channels_last: bool = True
    ) -> None:
        num_images, self.num_channels, self.height, self.width = split.images.shape
        self.labels = from_numpy(split.labels).to(device)
        self.padding = padding
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        shape = num_images, self.height + 2 * padding, self.width + 2 * padding, self.num_channels
        padded = torch.zeros(shape, dtype=torch.uint8, device=device)
        inner = padded[:, padding : padding + self.height, padding : padding + self.width]
        inner.copy_(from_numpy(split.images).permute(0, 2, 3, 1))
        self._strides = padded.stride(0) // self.num_channels, padded.stride(1) // self.num_channels
        self._rows = torch.arange(self.height, device=device)
        self._windows = _windows(padded, self.width)
        self._scale, self._shift = _scale_and_shift(data, self.height * self.width, device)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.height, self.width

    @property
    def device(self) -> torch.device:
        """Device of the images."""
        return self._windows.device

    def batch(self, indices: Tensor) -> Tensor:
        """Returns the images with these indices, normalized but not augmented."""
        return self.crop(indices, top=self.padding, left=self.padding, flip=None)

    def crop(self, indices: Tensor, *, top: Tensor | int, left: Tensor | int, flip: Tensor | None) -> Tensor:
        """Returns normalized crops of the padded images, float32 (batch, channels, height, width) of the original size.

        Args:
            indices: image numbers of shape (batch,).
            top: first row of each crop in the padded images, of shape (batch, 1), or one for all.
            left: first column, likewise.
            flip: whether to flip each crop horizontally, of shape (batch, 1); None flips none.
        """
        image_stride, row_stride = self._strides
        first_pixels = indices[:, None] * image_stride + (top + self._rows) * row_stride + left
        pixels = self._windows.index_select(0, first_pixels.view(-1))
        pixels = pixels.view(len(indices), self.height, self.width, self.num_channels)
        if flip is not None:
            pixels = _mirror(pixels, flip)
        values = pixels.view(len(indices), -1).float().mul_(self._scale).add_(self._shift)
        images = values.view(pixels.shape).permute(0, 3, 1, 2)
        return images.contiguous(memory_format=self._format)


def augmented_batch(
    source: ImageSource, indices: Tensor, recipe: TrainRecipe, generator: torch.Generator, *, part: slice = slice(None)
) -> Tensor:
    """Returns images with random crops, flips and cutout as set in the recipe.

    Args:
        source: images, padded by `recipe.crop_padding`.
        indices: image numbers of shape (batch,).
        recipe: settings `crop_padding`, `flip` and `cutout`.
        generator: random generator on the device of the source. Numbers are always drawn for the whole batch.
        part: selects the images of the batch to return: float32 (selected images, channels, height, width).
    """
    shape = (len(indices), 1)
    top: Tensor | int = source.padding
    left: Tensor | int = source.padding
    flip = None
    if recipe.crop_padding:
        offsets = torch.randint(2 * recipe.crop_padding + 1, (2, *shape), generator=generator, device=source.device)
        top, left = offsets[0][part], offsets[1][part]
    if recipe.flip:
        flip = (torch.rand(shape, generator=generator, device=source.device) < 0.5)[part]
    images = source.crop(indices[part], top=top, left=left, flip=flip)
    if not recipe.cutout:
        return images
    centers = [torch.randint(length, shape, generator=generator, device=source.device)[part] for length in source.size]
    return _erase(images, centers, recipe.cutout)


def cutout(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Sets a square of `size` pixels in each normalized image (N, C, H, W) to zero, in place (1708.04552, section 3).

    The center is anywhere in the image, so the square may extend beyond the border.
    """
    shape = (len(images), 1)
    centers = [torch.randint(length, shape, generator=generator, device=images.device) for length in images.shape[2:]]
    return _erase(images, centers, size)


def _erase(images: Tensor, centers: Sequence[Tensor], size: int) -> Tensor:
    """Sets squares to zero, in place; `centers` are rows and columns, each of shape (batch, 1)."""
    inside = []
    for length, center in zip(images.shape[2:], centers, strict=True):
        distance = torch.arange(length, device=images.device) - (center - size // 2)
        inside.append((distance >= 0) & (distance < size))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill_(square, 0)


def shuffled_batches(num_images: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yields the image numbers of one epoch's batches, in random order.

    A smaller last batch is dropped, since batch normalization is poor for a few images and undefined for one. A split
    smaller than a batch is a single batch. The result is on the generator's device.
    """
    order = torch.randperm(num_images, generator=generator, device=generator.device)
    size = min(batch_size, num_images)
    for first in range(0, num_images - size + 1, size):
        yield order[first : first + size]


def num_batches(num_images: int, batch_size: int) -> int:
    """Returns the number of batches that `shuffled_batches` yields."""
    return max(1, num_images // batch_size)


def from_numpy(array: npt.NDArray[np.generic]) -> Tensor:
    """Creates a tensor that shares the memory of an array, possibly read-only as in Ray's object store."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _windows(padded: Tensor, width: int) -> Tensor:
    """Returns a view of padded images with channels last: row i holds the `width` pixels from pixel i on."""
    num_pixels, num_channels = padded.numel() // padded.shape[3], padded.shape[3]
    return padded.view(-1).as_strided((num_pixels - width + 1, width * num_channels), (num_channels, 1))


def _mirror(pixels: Tensor, flip: Tensor) -> Tensor:
    """Flips the selected images (uint8, channels last) horizontally; `flip` has shape (batch, 1).

    Uses x ^ ((x ^ flipped) & mask), since torch.where is three times slower for bytes on a CPU.
    """
    values = pixels.view(len(pixels), -1)
    mask = flip.to(torch.uint8).neg()
    changes = pixels.flip(2).view(len(pixels), -1).bitwise_xor_(values).bitwise_and_(mask)
    return changes.bitwise_xor_(values).view(pixels.shape)


def _scale_and_shift(data: DataSet, num_pixels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns factors and offsets that normalize all pixels of an image, channels last, in a single pass."""
    mean, std = (torch.tensor(values, dtype=torch.float32, device=device) for values in (data.mean, data.std))
    return (1 / (255 * std)).repeat(num_pixels), (-mean / std).repeat(num_pixels)
