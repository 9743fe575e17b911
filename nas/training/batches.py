"""Sources of training batches: images in memory, or photographs augmented one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from nas.data.data_set import DataSet
from nas.recipe import TrainRecipe
from nas.training.augmentation import ImageSource, augmented_batch, shuffled_batches
from nas.training.parallel import Members
from nas.training.photographs import PhotographBatches


class Batches(Protocol):
    """Training images in batches."""

    @property
    def device(self) -> torch.device:
        """Device of the batches."""
        ...

    @property
    def generator(self) -> torch.Generator | None:
        """Random generator that later epochs depend on; None if every epoch has its own."""
        ...

    def __len__(self) -> int:
        """Number of training images."""
        ...

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields normalized images (N, C, H, W) and labels (N,): this member's part of each batch."""
        ...


class MemoryBatches:
    """Batches of images in the memory of the device; see `nas.training.augmentation`.

    Args:
        data: data set whose training split, mean and standard deviation are used.
        recipe: augmentation settings.
        seed: seed of order and augmentation, whose generator continues from epoch to epoch.
        device: device of the batches.
        members: process group, of which this process takes its part of each batch.
    """

    def __init__(
        self, data: DataSet, recipe: TrainRecipe, *, seed: int, device: torch.device, members: Members
    ) -> None:
        self._source = ImageSource(
            data.train, data, padding=recipe.crop_padding, device=device, channels_last=recipe.channels_last
        )
        self._recipe = recipe
        self._part = members.part
        self.generator = torch.Generator(device).manual_seed(seed)

    @property
    def device(self) -> torch.device:
        """Device of the batches."""
        return self._source.device

    def __len__(self) -> int:
        return len(self._source)

    def epoch(self, _number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields normalized images (N, C, H, W) and labels (N,)."""
        for indices in shuffled_batches(len(self), self._recipe.batch_size, self.generator):
            images = augmented_batch(self._source, indices, self._recipe, self.generator, part=self._part)
            yield images, self._source.labels[indices[self._part]]


def choose_batches(
    data: DataSet,
    recipe: TrainRecipe,
    *,
    seed: int,
    size: int | None,
    device: torch.device,
    members: Members,
) -> Batches:
    """Chooses photographs if the recipe augments single images or the network's input is smaller than the images.

    Raises:
        ValueError: if the network's input is larger than the images.
    """
    own_size = min(data.image_size)
    size = size or own_size
    if size > own_size and not recipe.min_crop_area:
        raise ValueError(f"images must have at least the {size} pixels that the network takes, got {own_size}")
    if recipe.needs_photographs or size != own_size:
        return PhotographBatches(data.train, data, recipe, size=size, seed=seed, device=device, members=members)
    return MemoryBatches(data, recipe, seed=seed, device=device, members=members)
