"""Where the batches of an epoch come from: whole batches cut out of memory, or photographs changed one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor

from nas.data.data_set import DataSet
from nas.recipe import TrainRecipe
from nas.training.augmentation import ImageSource, augmented_batch, shuffled_batches
from nas.training.parallel import Members
from nas.training.photographs import PhotographBatches

_GENERATOR = "batches"


class Batches(Protocol):
    """The training images, batch by batch."""

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        ...

    def __len__(self) -> int:
        """How many images there are."""
        ...

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields normalized images (N, C, H, W) and labels (N,), this member's part of each batch."""
        ...

    def random_states(self) -> dict[str, Tensor]:
        """The states of generators that later epochs depend on."""
        ...

    def set_random_states(self, states: Mapping[str, Tensor]) -> None:
        """Puts them back."""
        ...


class MemoryBatches:
    """Batches of images that lie in the memory of the device; see `nas.training.augmentation`.

    Args:
        data: its training split, mean and deviation are read.
        recipe: how images are changed.
        seed: of the order and of augmentation, which go on from epoch to epoch.
        device: where they lie.
        members: of which this process takes its part.
    """

    def __init__(
        self, data: DataSet, recipe: TrainRecipe, *, seed: int, device: torch.device, members: Members
    ) -> None:
        self._source = ImageSource(
            data.train, data, padding=recipe.crop_padding, device=device, channels_last=recipe.channels_last
        )
        self._recipe = recipe
        self._part = members.part
        self._generator = torch.Generator(device).manual_seed(seed)

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        return self._source.device

    def __len__(self) -> int:
        return len(self._source)

    def epoch(self, _number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields normalized images (N, C, H, W) and labels (N,)."""
        for indices in shuffled_batches(len(self), self._recipe.batch_size, self._generator):
            images = augmented_batch(self._source, indices, self._recipe, self._generator, part=self._part)
            yield images, self._source.labels[indices[self._part]]

    def random_states(self) -> dict[str, Tensor]:
        """The state of the generator."""
        return {_GENERATOR: self._generator.get_state()}

    def set_random_states(self, states: Mapping[str, Tensor]) -> None:
        """Puts it back."""
        self._generator.set_state(states[_GENERATOR])


def choose_batches(
    data: DataSet,
    recipe: TrainRecipe,
    *,
    seed: int,
    size: int | None,
    device: torch.device,
    members: Members,
) -> Batches:
    """Photographs if the recipe asks for what is done to single images, or the network takes crops of them.

    Raises:
        ValueError: if the network takes larger images than there are.
    """
    own_size = min(data.image_size)
    size = size or own_size
    if size > own_size and not recipe.min_crop_area:
        raise ValueError(f"the network takes images of {size} pixels, those of the data set have {own_size}")
    if recipe.needs_photographs or size != own_size:
        return PhotographBatches(data.train, data, recipe, size=size, seed=seed, device=device, members=members)
    return MemoryBatches(data, recipe, seed=seed, device=device, members=members)
