"""Sources of training batches: images in memory, or photographs augmented one by one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nas.data.data_set import DataSet
from nas.data.photograph_split import PhotographSplit
from nas.recipe import TrainRecipe
from nas.streaming.batches import StreamedBatches
from nas.training.augmentation import ImageSource, augmented_batch, shuffled_batches
from nas.training.parallel import Members
from nas.training.photographs import MAX_FOR_AXES, PhotographBatches, color_axes

_THUMBNAIL = 64


class MemoryBatches:
    """Batches of training images in the memory of the device; see `nas.training.augmentation`.

    The generator of order and augmentation continues from epoch to epoch.
    """

    def __init__(
        self, data: DataSet, recipe: TrainRecipe, *, seed: int, device: torch.device, members: Members
    ) -> None:
        self._source = ImageSource(
            data.train, data, padding=recipe.crop_padding, device=device, channels_last=recipe.channels_last
        )
        self._recipe = recipe
        self._part = members.part
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)

    def __len__(self) -> int:
        return len(self._source)

    def epoch(self, _number: int, first: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yields the image numbers of each batch from the first on, the argument of `load`.

        The random numbers of the batches before are drawn too.
        """
        batches = shuffled_batches(len(self), self._recipe.batch_size, self.generator)
        for number, indices in enumerate(batches):
            if number >= first:
                yield (indices,)
            else:
                self.load(indices)

    def load(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns augmented, normalized images (N, C, H, W) and labels (N,): this member's part of a batch.

        A captured step includes it: the random numbers come from the generator, and nothing waits for the device.
        """
        images = augmented_batch(self._source, indices, self._recipe, self.generator, part=self._part)
        return images, self._source.labels[indices[self._part]]


def choose_batches(
    data: DataSet, recipe: TrainRecipe, *, seed: int, size: int | None, device: torch.device, members: Members
) -> MemoryBatches | PhotographBatches | StreamedBatches:
    """Chooses streamed photographs if the data set holds such, else images in memory or their crops.

    Crops are chosen if the recipe augments images one by one, or if the network's input is smaller than they are.
    Raises ValueError if it is larger.
    """
    own_size = min(data.image_size)
    size = size or own_size
    if size > own_size and not recipe.min_crop_area:
        raise ValueError(f"images must have at least the {size} pixels that the network takes, got {own_size}")
    if isinstance(data.train, PhotographSplit):
        axes = color_axes(data.train.thumbnails(MAX_FOR_AXES, size=_THUMBNAIL)) if recipe.lighting else None
        return StreamedBatches(
            data.train, data, recipe, size=size, seed=seed, device=device, part=members.part, axes=axes
        )
    if recipe.needs_photographs or size != own_size:
        return PhotographBatches(data.train, data, recipe, size=size, seed=seed, device=device, members=members)
    return MemoryBatches(data, recipe, seed=seed, device=device, members=members)
