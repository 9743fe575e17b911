"""Accuracy of networks under appearance shifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nas.data.data_set import DataSet, Split
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
    """Computes the accuracy of a network under each shift of a plan.

    Args:
        network: network that returns logits in evaluation mode.
        split: unshifted images.
        data: data set whose mean and standard deviation normalize the images.
        recipe: device, precision, number of threads, batch size and memory format.
        plan: shifts to evaluate.

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


@torch.inference_mode()
def right_answers(
    network: nn.Module, split: Split, *, mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.bool_]:
    """Returns for each image whether a network classifies it correctly, for paired comparison of networks.

    Args:
        network: network that returns logits in evaluation mode, used on its current device; its training mode is
            restored.
        split: images.
        mean: per-channel mean that normalizes images with values from 0 to 1.
        std: per-channel standard deviation, likewise.

    Returns:
        Boolean array of shape (images,).
    """
    device = next((weight.device for weight in network.parameters()), torch.device("cpu"))
    shift, scale = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (mean, std))
    was_training = network.training
    network.eval()
    answers = []
    for start in range(0, len(split), _BATCH):
        images = torch.from_numpy(split.images[start : start + _BATCH].copy()).to(device)
        normalized = ((images.float() / 255 - shift) / scale).contiguous(memory_format=torch.channels_last)
        answers.append(network(normalized).argmax(1).cpu().numpy())
    network.train(was_training)
    return np.asarray(np.concatenate(answers) == split.labels)
