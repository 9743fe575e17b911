"""Photographs augmented one by one with torchvision's transforms: random resized crops, color jitter, lighting.

The augmentation of an image depends only on (seed, epoch, image number), not on its batch, the process that loads it or
interruptions of the training.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from nas.data.data_set import DataSet, Split
from nas.recipe import TrainRecipe
from nas.training.augmentation import cutout, from_numpy, shuffled_batches
from nas.training.parallel import Members

ASPECTS = (3 / 4, 4 / 3)
MAX_FOR_AXES = 2000


class PhotographBatches:
    """Batches of photographs of `size` x `size` pixels from torch's DataLoader; each epoch has its own generator."""

    def __init__(
        self,
        photographs: Split,
        data: DataSet,
        recipe: TrainRecipe,
        *,
        size: int,
        seed: int,
        device: torch.device,
        members: Members,
    ) -> None:
        self._photographs, self._recipe, self._seed, self._members = photographs, recipe, seed, members
        self._transform = training_transform(photographs, data, recipe, size=size)
        self.device = device
        self.generator = None

    def __len__(self) -> int:
        return len(self._photographs)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yields the arguments of `load` for each batch from the first on: images (N, C, size, size) and labels (N,).

        They are this member's part of the batch.
        """
        generator = torch.Generator().manual_seed(seed_of(self._seed, number))
        order = shuffled_batches(len(self), self._recipe.batch_size, generator)
        prepared = _Prepared(self._photographs, self._transform, seed=self._seed, epoch=number)
        loader = DataLoader(
            prepared,
            batch_sampler=[batch[self._members.part].tolist() for batch in order][first:],
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

    def load(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns a batch as it is, since loader processes have prepared it."""
        return images, labels


class _Prepared(Dataset[tuple[Tensor, int]]):
    """The augmented photographs of one epoch."""

    def __init__(self, photographs: Split, transform: nn.Module, *, seed: int, epoch: int) -> None:
        self._photographs, self._transform, self._place = photographs, transform, (seed, epoch)

    def __len__(self) -> int:
        return len(self._photographs)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed_of(*self._place, index))
            image = self._transform(from_numpy(self._photographs.image(index)))
        return image, int(self._photographs.labels[index])


def training_transform(photographs: Split, data: DataSet, recipe: TrainRecipe, *, size: int) -> nn.Module:
    """Builds the augmentation (1812.01187, section 2.1) of photographs, uint8 (C, H, W), to float32 (C, size, size).

    Uses the recipe's `min_crop_area`, `crop_padding`, `flip`, `color_jitter`, `lighting` and `cutout`.
    """
    from torchvision.transforms import v2

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
        steps.append(v2.Lambda(partial(_cut_out, size=recipe.cutout)))
    return nn.Sequential(*steps)


class Lighting(nn.Module):
    """Adds noise along the principal axes of color, equal for all pixels (AlexNet, section 4.1; 1812.01187, 2.1).

    The axes (C, C) are columns scaled by their variance; `std` is the standard deviation of the noise per axis.
    """

    def __init__(self, axes: Tensor, std: float) -> None:
        super().__init__()
        self._axes, self._std = axes, std

    def forward(self, image: Tensor) -> Tensor:
        """Augments an image (C, H, W) with values from 0 to 1."""
        draw = torch.randn(self._axes.size(1)) * self._std
        return image + (self._axes @ draw).view(-1, 1, 1)


def _cut_out(image: Tensor, *, size: int) -> Tensor:
    return cutout(image[None], size, torch.default_generator)[0]


def color_axes(photographs: Split) -> Tensor:
    """Computes principal axes of color from up to 2,000 photographs: (C, C), columns scaled by variance, ascending."""
    indices = np.linspace(0, len(photographs) - 1, min(len(photographs), MAX_FOR_AXES)).astype(int)
    num_pixels, total, products = 0, np.zeros(()), np.zeros(())
    for index in indices:
        image = photographs.image(int(index))
        colors = image.reshape(len(image), -1) / 255
        num_pixels += colors.shape[1]
        total = total + colors.sum(1)
        products = products + colors @ colors.T
    mean = total / num_pixels
    variances, directions = np.linalg.eigh(products / num_pixels - np.outer(mean, mean))
    return torch.tensor(directions * variances, dtype=torch.float32)


def seed_of(*place: int) -> int:
    """Derives an independent seed from numbers such as (seed, epoch, image)."""
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1)
