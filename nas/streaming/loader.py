"""Loader processes that decode crops and live as long as the training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nas.data.data_set import Images
from nas.data.photograph_split import PhotographSplit
from nas.streaming.crops import NUM_DRAWS, CropDraw

Indices = npt.NDArray[np.int64]
Task = tuple[int, Indices]
"""Number of an epoch, and the photographs of a batch."""

_MAX_SKIPPED = 100
"""Photographs one after another that cannot be decoded: more are no accident."""


class CropBatch(NamedTuple):
    """A batch from a loader: bytes (N, 3, size, size), draws (N, `NUM_DRAWS`), labels (N,), and what is damaged."""

    pixels: Tensor
    draws: Tensor
    labels: Tensor
    damaged: list[str]


class _Crops(Dataset[CropBatch]):
    """Decodes the batch of a task: augmented crops, or center squares without `draw`."""

    def __init__(self, split: PhotographSplit, draw: CropDraw | None) -> None:
        self._split, self._draw = split, draw
        self._size = split.photographs.crop if draw is None else draw.size

    def __getitem__(self, task: Task) -> CropBatch:
        epoch, places = task
        pixels = np.empty((len(places), 3, self._size, self._size), np.uint8)
        draws = np.zeros((len(places), NUM_DRAWS), np.float32)
        labels, damaged = np.zeros(len(places), np.int64), list[str]()
        done = 0
        for place in places.tolist():
            try:
                used = self._fill(place, epoch, pixels[done], draws[done], damaged)
            except _UndecodableError:
                if not self._split.skip_damaged:
                    break
                continue
            labels[done] = self._split.labels[used]
            done += 1
        tensors = [torch.from_numpy(each[:done]) for each in (pixels, draws, labels)]
        return CropBatch(tensors[0], tensors[1], tensors[2], damaged)

    def _fill(self, place: int, epoch: int, pixels: Images, draws: npt.NDArray[np.float32], damaged: list[str]) -> int:
        """Decodes a photograph into arrays; returns its number, that of the next one if a damaged one is replaced."""
        draw = self._draw
        tries = _MAX_SKIPPED if draw is not None and self._split.skip_damaged else 1
        for used in ((place + more) % len(self._split) for more in range(tries)):
            try:
                if draw is None:
                    pixels[:] = self._split.photographs.square(used)
                    return used
                generator = draw.generator(epoch, used)
                flip, draws[:] = draw.numbers(generator)
                crop = self._split.photographs.decode(used, partial(draw.box, generator=generator), self._size)
                pixels[:] = crop[:, :, ::-1] if flip else crop
            except ValueError as error:
                damaged.append(str(error))
            else:
                return used
        raise _UndecodableError


class _UndecodableError(Exception):
    """Raised for a photograph that cannot be decoded, nor replaced."""


class _Tasks(Iterable[Task]):
    """The tasks of the current pass; a loader iterates over them anew in each."""

    def __init__(self) -> None:
        self.current: Iterable[Task] = ()

    def __iter__(self) -> Iterator[Task]:
        return iter(self.current)


class CropLoader:
    """Decodes batches of photographs ahead of their use.

    Args:
        split: photographs.
        draw: augmentation; None takes center squares.
        num_loaders: processes; 0 decodes in this one.
        pin_memory: whether batches are in memory from which GPUs copy fast.
        persistent: whether the processes stay for the next pass.
    """

    def __init__(
        self,
        split: PhotographSplit,
        draw: CropDraw | None,
        *,
        num_loaders: int,
        pin_memory: bool = False,
        persistent: bool = True,
    ) -> None:
        self._tasks = _Tasks()
        self._skip_damaged = split.skip_damaged
        self.damaged: dict[str, None] = {}
        self._loader: DataLoader[CropBatch] = DataLoader(
            _Crops(split, draw),
            batch_size=None,
            sampler=self._tasks,
            num_workers=num_loaders,
            pin_memory=pin_memory,
            persistent_workers=persistent and num_loaders > 0,
            generator=torch.Generator(),  # torch's global one belongs to the network
        )

    def batches(self, tasks: Iterable[Task]) -> Iterator[CropBatch]:
        """Yields the batch of each task, in order.

        Raises ValueError, which names the file, for a damaged photograph, unless these are skipped; their names are
        then in `damaged`. So do 100 damaged ones in a row.
        """
        self._tasks.current = tasks
        for batch in self._loader:
            if batch.damaged and (not self._skip_damaged or not len(batch.labels)):
                raise ValueError(batch.damaged[0])
            self.damaged |= dict.fromkeys(batch.damaged)
            yield batch
