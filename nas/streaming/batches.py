"""Batches of streamed photographs for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from nas.data.data_set import DataSet
from nas.data.photograph_split import PhotographSplit
from nas.recipe import TrainRecipe
from nas.streaming.colors import BatchColors
from nas.streaming.crops import CropDraw
from nas.streaming.loader import CropBatch, CropLoader, Indices


class StreamedBatches:
    """Augmented batches of photographs; what happens to one follows from (seed, epoch, photograph) alone.

    Args:
        split: photographs of the training.
        data: whose mean and standard deviation normalize.
        recipe: batch size, loaders and augmentation.
        size: side of the crops in pixels.
        seed: of order and augmentation.
        part: selects the photographs of this process from each batch.
        axes: see `BatchColors`.
    """

    generator = None

    def __init__(  # noqa: PLR0913 - keywords
        self,
        split: PhotographSplit,
        data: DataSet,
        recipe: TrainRecipe,
        *,
        size: int,
        seed: int,
        device: torch.device,
        part: slice = slice(None),
        axes: Tensor | None = None,
    ) -> None:
        self._split, self._recipe, self._seed, self._part = split, recipe, seed, part
        draw = CropDraw(recipe, seed, size, size / split.photographs.size)
        self._loader = CropLoader(split, draw, num_loaders=recipe.num_loaders, pin_memory=device.type == "cuda")
        self._colors = BatchColors(data, recipe, axes=axes, device=device)
        self.device = device

    def __len__(self) -> int:
        return len(self._split)

    @property
    def num_damaged(self) -> int:
        """Number of photographs that could not be decoded so far."""
        return len(self._loader.damaged)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yields the arguments of `load` for each batch from the first on: this process's part of it."""
        order = np.random.default_rng((self._seed, number)).permutation(len(self))
        size = min(self._recipe.batch_size, len(self))  # a smaller last batch is dropped
        starts = range(0, len(self) - size + 1, size)[first:]
        for batch in self._loader.batches((number, order[start : start + size][self._part]) for start in starts):
            yield _to_device(batch, self.device)

    def load(self, pixels: Tensor, draws: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns augmented, normalized images (N, 3, size, size) and labels (N,) of a batch."""
        return self._colors(pixels, draws), labels


def evaluation_batches(
    split: PhotographSplit, data: DataSet, recipe: TrainRecipe, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the normalized center squares (N, 3, crop, crop) of all photographs, in order, and labels (N,).

    Damaged photographs are left out or end the evaluation, as the split says.
    """
    pinned = device.type == "cuda"
    loader = CropLoader(split, None, num_loaders=recipe.num_loaders, pin_memory=pinned, persistent=False)
    colors = BatchColors(data, recipe, axes=None, device=device)
    for batch in loader.batches(_in_order(len(split), recipe.batch_size)):
        pixels, _, labels = _to_device(batch, device)
        yield colors(pixels), labels


def _in_order(number: int, size: int) -> Iterable[tuple[int, Indices]]:
    return ((0, np.arange(start, min(start + size, number))) for start in range(0, number, size))


def _to_device(batch: CropBatch, device: torch.device) -> tuple[Tensor, ...]:
    return tuple(each.to(device, non_blocking=True) for each in (batch.pixels, batch.draws, batch.labels))
