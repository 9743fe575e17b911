"""Evaluation of networks: top-1 and top-5 accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from nas.data.data_set import DataSet, Split
from nas.data.photograph_split import PhotographSplit
from nas.recipe import TrainRecipe
from nas.streaming.batches import evaluation_batches
from nas.training.augmentation import ImageSource
from nas.training.cuda_graph import choose_caller, graph_obstacle
from nas.training.device import autocast, choose_device, choose_dtype, num_threads
from nas.training.objective import DivergedError
from nas.training.parallel import current_members, sum_over_members

TOP = 5
_MAX_IMAGES = 8192


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of images, between 0 and 1, whose class has the largest logit or is among the five largest."""

    top1: float
    top5: float
    num_images: int

    def to_json(self) -> dict[str, float]:
        """Returns plain data for JSON."""
        return asdict(self)


def accuracy(network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe) -> float:
    """Computes the share of images that a network classifies correctly, between 0 and 1; see `evaluate`."""
    return evaluate(network, split, data, recipe).top1


def evaluate(network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe, *, crop: int | None = None) -> Score:
    """Computes top-1 and top-5 accuracy; the images are divided among the members of the process group.

    Images are not augmented. The network is moved to the recipe's device; its training mode is restored.

    Args:
        network: network that returns logits in evaluation mode.
        split: images.
        data: data set whose mean and standard deviation normalize the images.
        recipe: device, precision, number of threads, batch size and memory format.
        crop: side of the center crop in pixels; None uses the whole images.

    Raises:
        DivergedError: if a logit is not finite.
        ValueError: if the crop is larger than the images.
    """
    members = current_members()
    part = center_crop(split, crop)
    if members.count > 1:
        part = part.part(members.part)
    best, among_best, number = sum_over_members(_evaluate(network, part, data, recipe).double()).tolist()
    return Score(best / number, among_best / number, int(number))


def center_crop(split: Split, size: int | None) -> Split:
    """Returns the center crop of each image, as a view; raises ValueError if it is larger than the images."""
    height, width = split.images.shape[2:]
    if size is None or (height, width) == (size, size):
        return split
    if size > min(height, width):
        raise ValueError(f"a crop must be at most as large as the images, {width} x {height}, got {size}")
    if isinstance(split, PhotographSplit):
        return split.center_crop(size)
    top, left = (height - size) // 2, (width - size) // 2
    return Split(split.images[:, :, top : top + size, left : left + size], split.labels)


def _evaluate(network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe) -> Tensor:
    """Counts the images whose class has the largest logit, those whose class is among the largest, and all."""
    device = choose_device(recipe)
    was_training = network.training
    call, tally = choose_caller(graph_obstacle(recipe, device), device), _Tally(network, recipe, device)
    move(network, device, recipe).eval()
    with num_threads(recipe.num_threads), torch.inference_mode():
        for images, labels in _batches(split, data, recipe, device):
            call(tally.add, images, labels)
    network.train(was_training)
    if not tally.finite:
        raise DivergedError("the logits are not finite in evaluation")
    return tally.counts


class _Tally:
    """Counts correct answers, on the device and in place, so that a CUDA graph may replay it."""

    def __init__(self, network: nn.Module, recipe: TrainRecipe, device: torch.device) -> None:
        self._network = network
        self._device, self._dtype = device, choose_dtype(recipe, device)
        self.counts = torch.zeros(3, dtype=torch.int64, device=device)
        self.finite = torch.ones((), dtype=torch.bool, device=device)

    def add(self, images: Tensor, labels: Tensor) -> None:
        """Adds a batch of images (N, C, H, W) and labels (N, 1)."""
        with autocast(self._device, self._dtype):
            logits = self._network(images)
        self.finite &= torch.isfinite(logits).all()
        among_best = logits.topk(min(TOP, logits.size(1)), dim=1).indices == labels
        self.counts[:2] += torch.stack([(logits.argmax(1, keepdim=True) == labels).sum(), among_best.sum()])
        self.counts[2] += len(labels)


def _batches(split: Split, data: DataSet, recipe: TrainRecipe, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields normalized images (N, C, H, W) and labels (N, 1)."""
    if isinstance(split, PhotographSplit):
        for images, labels in evaluation_batches(split, data, recipe, device):
            yield images, labels[:, None]
        return
    for piece in _pieces(split, recipe.batch_size):
        source = ImageSource(piece, data, device=device, channels_last=recipe.channels_last)
        for first in range(0, len(source), recipe.batch_size):
            indices = torch.arange(first, min(first + recipe.batch_size, len(source)), device=device)
            yield source.batch(indices), source.labels[indices, None]


def _pieces(split: Split, batch_size: int) -> Iterator[Split]:
    """Splits images into pieces that fit in the device's memory, without changing the batches."""
    size = max(1, _MAX_IMAGES // batch_size) * batch_size
    for first in range(0, len(split), size):
        piece = slice(first, first + size)
        yield split if size >= len(split) else Split(split.images[piece], split.labels[piece])


def move(network: nn.Module, device: torch.device, recipe: TrainRecipe) -> nn.Module:
    """Moves a network to a device, in the recipe's memory format."""
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    return network.to(device=device, memory_format=layout)  # type: ignore[call-overload,no-any-return]
