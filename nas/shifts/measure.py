"""Accuracy of a network when the appearance of its images shifts."""

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
    """Which shifts are measured.

    Attributes:
        names: keys of `nas.shifts.table.SHIFTS`, at least one.
        severity: 1 to 5.
        seed: of what the shifts draw.
    """

    names: tuple[str, ...]
    severity: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if not check_shifts(self.names):
            raise ValueError("a plan of shifts must hold at least one, got none")


def shifted_accuracies(
    network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe, *, plan: ShiftPlan
) -> dict[str, float]:
    """Measures a network under each shift of a plan.

    Args:
        network: gives logits in evaluation mode.
        split: the images before they are shifted.
        data: whose mean and deviation normalize them.
        recipe: device, precision and so on.
        plan: the shifts.

    Returns:
        ``accuracy_<shift>`` for each shift and ``shifted_accuracy``, their mean; all between 0 and 1.

    Raises:
        ValueError: if the images cannot undergo a shift.
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
    """Says of each image whether a network classifies it correctly, so that networks can be compared image by image.

    Args:
        network: gives logits in evaluation mode; it runs on the device where it is, and keeps its mode.
        split: the images.
        mean: of each channel, where white is 1, that images are normalized with.
        std: standard deviation of each channel, likewise.

    Returns:
        An array of shape (images,).
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
