"""Accuracy of networks under appearance shifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas.data.data_set import DataSet, Images, Split
from nas.fidelity import TrainRecipe
from nas.shifts.table import check_shifts, shift_split
from nas.training.loop import accuracy

_BATCH = 256


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """Shifts under which a network is evaluated.

    Attributes:
        names: keys of `nas.shifts.table.SHIFTS`, at least one.
        severity: severity from 1 to 5.
        seed: seed of random shifts.
    """

    names: tuple[str, ...]
    severity: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if not check_shifts(self.names):
            raise ValueError("a shift plan must have at least one shift, got none")


def shifted_accuracies(
    network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe, *, plan: ShiftPlan
) -> dict[str, float]:
    """Computes the accuracy of a network under each shift of a plan; see `nas.training.loop.accuracy`.

    Returns:
        ``accuracy_<shift>`` for each shift and ``shifted_accuracy``, their mean; all between 0 and 1.

    Raises:
        ValueError: if a shift does not support the images.
        DivergedError: if a logit is not finite.
    """
    shares = {}
    for name in plan.names:
        shifted = shift_split(split, name, severity=plan.severity, seed=plan.seed)
        shares[f"accuracy_{name}"] = accuracy(network, shifted, data, recipe)
    return {"shifted_accuracy": sum(shares.values()) / len(shares), **shares}


def right_answers(
    network: nn.Module, split: Split, *, mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.bool_]:
    """Returns for each image (shape (images,)) whether a network classifies it correctly; see `batch_logits`."""
    answers = [logits.argmax(1).cpu().numpy() for logits in batch_logits(network, split.images, mean=mean, std=std)]
    return np.asarray(np.concatenate(answers) == split.labels)


@torch.inference_mode()
def batch_logits(
    network: nn.Module, images: Images, *, mean: Sequence[float], std: Sequence[float]
) -> Iterator[Tensor]:
    """Yields the logits (n, classes) of batches of images.

    Args:
        network: network used on its current device in evaluation mode; its training mode is restored.
        images: uint8 of shape (N, C, H, W).
        mean: per-channel mean that normalizes images with values from 0 to 1.
        std: per-channel standard deviation, likewise.
    """
    device = next((weight.device for weight in network.parameters()), torch.device("cpu"))
    shift, scale = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (mean, std))
    was_training = network.training
    network.eval()
    for start in range(0, len(images), _BATCH):
        batch = torch.from_numpy(images[start : start + _BATCH].copy()).to(device)
        yield network(((batch.float() / 255 - shift) / scale).contiguous(memory_format=torch.channels_last))
    network.train(was_training)
