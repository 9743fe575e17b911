"""How often a network is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from nas.data.data_set import DataSet, Split
from nas.recipe import TrainRecipe
from nas.training.augmentation import ImageSource
from nas.training.device import autocast, choose_device, choose_dtype, num_threads
from nas.training.objective import DivergedError
from nas.training.parallel import current_members, sum_over_members

TOP = 5
_MAX_IMAGES = 8192


@dataclass(frozen=True, slots=True)
class Score:
    """How often a network is right.

    Attributes:
        top1: share of images whose class gets the greatest logit, between 0 and 1.
        top5: share whose class is among the five greatest.
        num_images: that were classified.
    """

    top1: float
    top5: float
    num_images: int

    def to_json(self) -> dict[str, float]:
        """Returns plain data for JSON."""
        return asdict(self)


def accuracy(network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe) -> float:
    """Returns the share of images that a network classifies correctly, between 0 and 1.

    Images are neither cropped nor mirrored. The network is moved to the recipe's device; its mode is put back.

    Args:
        network: gives logits in evaluation mode.
        split: the images.
        data: whose mean and deviation normalize them.
        recipe: device, precision, number of threads and layout.

    Raises:
        DivergedError: if a logit is not finite.
    """
    return _evaluate(network, split, data, recipe, best=(1,))[0] / len(split)


def evaluate(network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe, *, crop: int | None = None) -> Score:
    """Returns how often a network is right; several workers share the images out among them.

    Args:
        network: gives logits in evaluation mode.
        split: the images.
        data: whose mean and deviation normalize them.
        recipe: device, precision, number of threads and layout.
        crop: side in pixels of the square in the middle of each image that is classified; None: the whole image.

    Raises:
        DivergedError: if a logit is not finite.
        ValueError: if the crop is larger than the images.
    """
    members = current_members()
    part = center_crop(split, crop)
    if members.count > 1:
        part = Split(part.images[members.part], part.labels[members.part])
    counts = _evaluate(network, part, data, recipe, best=(1, TOP))
    total = sum_over_members(torch.tensor(counts, dtype=torch.float64, device=choose_device(recipe))).tolist()
    return Score(total[0] / len(split), total[1] / len(split), len(split))


def center_crop(split: Split, size: int | None) -> Split:
    """The square in the middle of each image, as a view; ValueError if it is larger than the images."""
    height, width = split.images.shape[2:]
    if size is None or (height, width) == (size, size):
        return split
    if size > min(height, width):
        raise ValueError(f"a crop must be at most as large as the images, {width} x {height}, got {size}")
    top, left = (height - size) // 2, (width - size) // 2
    return Split(split.images[:, :, top : top + size, left : left + size], split.labels)


def _evaluate(
    network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe, *, best: tuple[int, ...]
) -> list[int]:
    """For each number of best guesses, how many images have their class among them."""
    device = choose_device(recipe)
    was_training = network.training
    with num_threads(recipe.num_threads):
        move(network, device, recipe).eval()
        counts = torch.zeros(len(best), dtype=torch.int64, device=device)
        for piece in _pieces(split, recipe.batch_size):
            source = ImageSource(piece, data, device=device, channels_last=recipe.channels_last)
            counts += _count_correct(network, source, recipe, best)
    network.train(was_training)
    return [int(count) for count in counts]


def _pieces(split: Split, batch_size: int) -> Iterator[Split]:
    """Parts of a split that fit a device's memory whatever its size; batches are those of the whole."""
    size = max(1, _MAX_IMAGES // batch_size) * batch_size
    for first in range(0, len(split), size):
        piece = slice(first, first + size)
        yield split if size >= len(split) else Split(split.images[piece], split.labels[piece])


@torch.inference_mode()
def _count_correct(network: nn.Module, source: ImageSource, recipe: TrainRecipe, best: tuple[int, ...]) -> Tensor:
    device = source.device
    dtype = choose_dtype(recipe, device)
    counts = torch.zeros(len(best), dtype=torch.int64, device=device)
    finite = torch.ones((), dtype=torch.bool, device=device)
    for first in range(0, len(source), recipe.batch_size):
        indices = torch.arange(first, min(first + recipe.batch_size, len(source)), device=device)
        with autocast(device, dtype):
            logits = network(source.batch(indices))
        finite &= torch.isfinite(logits).all()
        labels = source.labels[indices]
        counts += torch.stack([_num_among_best(logits, labels, number) for number in best])
    if not finite:
        raise DivergedError("what the network gives in evaluation is not finite")
    return counts


def _num_among_best(logits: Tensor, labels: Tensor, number: int) -> Tensor:
    if number == 1:
        return (logits.argmax(1) == labels).sum()
    best = logits.topk(min(number, logits.size(1)), dim=1).indices
    return (best == labels[:, None]).any(1).sum()


def move(network: nn.Module, device: torch.device, recipe: TrainRecipe) -> nn.Module:
    """Brings a network to a device, in the recipe's layout of memory."""
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    return network.to(device=device, memory_format=layout)  # type: ignore[call-overload,no-any-return]
