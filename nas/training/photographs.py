"""Photographs changed one by one with torchvision's transforms: crops of any size and aspect, colours, lighting.

What happens to an image follows from (seed, epoch, number of the image) alone: not from the batch it is in, the process
that prepares it, or where a training was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from nas.recipe import TrainRecipe
from nas.training.augmentation import cutout, from_numpy, shuffled_batches
from nas.training.parallel import Members

ASPECTS = (3 / 4, 4 / 3)
_MAX_FOR_AXES = 2000


class Photographs(Protocol):
    """Images one by one: a `Split` of arrays, or files that are decoded each time."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Numbers of the classes, of shape (images,)."""
        ...

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """One image of shape (channels, height, width)."""
        ...


class Normalization(Protocol):
    """What images are normalized with: that of a `DataSet`."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Of each channel, where white is 1."""
        ...

    @property
    def std(self) -> tuple[float, ...]:
        """Of each channel, likewise."""
        ...


class PhotographBatches:
    """The batches of each epoch, prepared by torch's DataLoader.

    Args:
        photographs: what to train on.
        data: their normalization.
        recipe: how they are changed, how many make a batch, and how many processes prepare them.
        size: height and width that the network takes.
        seed: of all that is random.
        device: where batches are wanted.
        members: of which this process takes its part.
    """

    def __init__(
        self,
        photographs: Photographs,
        data: Normalization,
        recipe: TrainRecipe,
        *,
        size: int,
        seed: int,
        device: torch.device,
        members: Members,
    ) -> None:
        self._photographs = photographs
        self._recipe = recipe
        self._seed = seed
        self._members = members
        self._transform = training_transform(photographs, data, recipe, size=size)
        self.device = device

    def __len__(self) -> int:
        return len(self._photographs.labels)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields images (N, C, size, size) and labels (N,), this member's part of each batch."""
        generator = torch.Generator().manual_seed(seed_of(self._seed, number))
        order = shuffled_batches(len(self), self._recipe.batch_size, generator)
        prepared = _Prepared(self._photographs, self._transform, seed=self._seed, epoch=number)
        loader = DataLoader(
            prepared,
            batch_sampler=[batch[self._members.part].tolist() for batch in order],
            num_workers=self._recipe.num_loaders,
            pin_memory=self.device.type == "cuda",
            generator=generator,
        )
        layout = torch.channels_last if self._recipe.channels_last else torch.contiguous_format
        for images, labels in loader:
            yield (
                images.to(self.device, memory_format=layout, non_blocking=True),
                labels.to(self.device, non_blocking=True),
            )

    def random_states(self) -> dict[str, Tensor]:
        """None: every epoch starts anew from the seed."""
        return {}

    def set_random_states(self, states: Mapping[str, Tensor]) -> None:
        """Does nothing."""


class _Prepared(Dataset[tuple[Tensor, int]]):
    """The photographs of one epoch, changed."""

    def __init__(self, photographs: Photographs, transform: nn.Module, *, seed: int, epoch: int) -> None:
        self._photographs = photographs
        self._transform = transform
        self._place = (seed, epoch)

    def __len__(self) -> int:
        return len(self._photographs.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed_of(*self._place, index))
            image = self._transform(from_numpy(self._photographs.image(index)))
        return image, int(self._photographs.labels[index])


def training_transform(photographs: Photographs, data: Normalization, recipe: TrainRecipe, *, size: int) -> nn.Module:
    """What is done to each photograph (1812.01187, section 2.1, and what else the recipe asks for).

    Args:
        photographs: what to train on; lighting takes the axes of their colours.
        data: their normalization.
        recipe: holds `min_crop_area`, `crop_padding`, `flip`, `color_jitter`, `lighting` and `cutout`.
        size: of the crops.

    Returns:
        From uint8 (C, H, W) to float32 (C, size, size).
    """
    steps: list[nn.Module] = []
    if recipe.min_crop_area:
        steps.append(v2.RandomResizedCrop(size, scale=(recipe.min_crop_area, 1), ratio=ASPECTS, antialias=True))
    else:
        steps.append(v2.RandomCrop(size, padding=recipe.crop_padding or None))
    if recipe.flip:
        steps.append(v2.RandomHorizontalFlip())
    if jitter := recipe.color_jitter:
        steps.append(v2.ColorJitter(brightness=jitter, contrast=jitter, saturation=jitter))
    steps.append(v2.ToDtype(torch.float32, scale=True))
    if recipe.lighting:
        steps.append(Lighting(color_axes(photographs), recipe.lighting))
    steps.append(v2.Normalize(list(data.mean), list(data.std)))
    if recipe.cutout:
        steps.append(_Cutout(recipe.cutout))
    return nn.Sequential(*steps)


class Lighting(nn.Module):
    """Adds noise along the principal axes of colour, the same to all pixels (AlexNet, section 4.1; 1812.01187, 2.1).

    Args:
        axes: (C, C), one axis a column, each as long as its variance.
        std: deviation of the draw that each axis is multiplied by.
    """

    def __init__(self, axes: Tensor, std: float) -> None:
        super().__init__()
        self._axes = axes
        self._std = std

    def forward(self, image: Tensor) -> Tensor:
        """Changes an image (C, H, W) where white is 1."""
        draw = torch.randn(self._axes.size(1)) * self._std
        return image + (self._axes @ draw).view(-1, 1, 1)


class _Cutout(nn.Module):
    """Blanks a square; see `nas.training.augmentation.cutout`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def forward(self, image: Tensor) -> Tensor:
        """Changes a normalized image (C, H, W), in place."""
        return cutout(image[None], self._size, torch.default_generator)[0]


def color_axes(photographs: Photographs) -> Tensor:
    """Principal axes of the colours of photographs, each as long as the variance along it; up to 2,000 are looked at.

    Returns:
        (C, C), one axis a column, the longest last.
    """
    indices = np.linspace(0, len(photographs.labels) - 1, min(len(photographs.labels), _MAX_FOR_AXES)).astype(int)
    num_pixels, total, products = 0, np.zeros(()), np.zeros(())
    for index in indices:
        image = photographs.image(int(index))
        colours = image.reshape(len(image), -1) / 255
        num_pixels += colours.shape[1]
        total = total + colours.sum(1)
        products = products + colours @ colours.T
    mean = total / num_pixels
    variances, directions = np.linalg.eigh(products / num_pixels - np.outer(mean, mean))
    return torch.tensor(directions * variances, dtype=torch.float32)


def seed_of(*place: int) -> int:
    """A seed for one place, such as (seed, epoch, image), without likeness to those of its neighbours."""
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1)
