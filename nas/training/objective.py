"""Training losses, and detection of divergence."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.recipe import TrainRecipe
from nas.training.parallel import sum_over_members


class DivergedError(RuntimeError):
    """Raised when the loss or the logits are not finite."""


def split_output(output: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Separates logits and auxiliary logits; the latter are None without an auxiliary head."""
    return output if isinstance(output, tuple) else (output, None)


def classification_loss(output: Tensor | tuple[Tensor, Tensor], targets: Tensor, recipe: TrainRecipe) -> Tensor:
    """Computes cross-entropy with label smoothing, plus the weighted loss of the auxiliary head.

    The output is logits (images, classes), or a pair of these and the auxiliary logits; the targets are labels
    (images,), or probabilities (images, classes).
    """
    logits, auxiliary = split_output(output)
    loss = F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
    if auxiliary is not None:
        smoothed = F.cross_entropy(auxiliary, targets, label_smoothing=recipe.label_smoothing)
        loss = loss + recipe.auxiliary_weight * smoothed
    return loss


def distilled_loss(loss: Tensor, logits: Tensor, teacher: Tensor, recipe: TrainRecipe) -> Tensor:
    """Adds the loss of knowledge distillation (1503.02531, section 2; 1812.01187, section 5.3).

    (1 - w) loss + w T^2 H(softmax(teacher / T), softmax(logits / T)); T^2 keeps the gradient's scale independent of T.

    `loss` is that on the true targets; logits have the shape (images, classes); w is the recipe's `distillation`, T its
    `temperature`.
    """
    share, temperature = recipe.distillation, recipe.temperature
    soft = F.cross_entropy(logits / temperature, F.softmax(teacher / temperature, dim=1))
    return (1 - share) * loss + share * temperature**2 * soft


def training_loss(
    output: Tensor | tuple[Tensor, Tensor],
    images: Tensor,
    targets: Tensor,
    recipe: TrainRecipe,
    *,
    teacher: nn.Module | None,
) -> Tensor:
    """Computes `classification_loss`, with that of distillation if there is a teacher, which sees the images."""
    loss = classification_loss(output, targets, recipe)
    if teacher is None:
        return loss
    with torch.no_grad():
        taught = teacher(images)
    return distilled_loss(loss, split_output(output)[0], taught, recipe)


class EpochSums:
    """Accumulates loss and accuracy of an epoch on the device, so that GPUs need not synchronize after each step."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._num_correct = torch.zeros((), dtype=torch.int64, device=device)
        self._num_images = torch.zeros((), dtype=torch.int64, device=device)

    def reset(self) -> None:
        """Starts a new epoch, with the same tensors, since a captured step adds to these."""
        for total in (self._loss, self._num_correct, self._num_images):
            total.zero_()

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch: its mean loss, and the number of correct predictions."""
        self._loss += loss.detach().double() * len(labels)
        self._num_correct += (logits.detach().argmax(1) == labels).sum()
        self._num_images += len(labels)

    def to_json(self) -> dict[str, float]:
        """Returns the sums as plain data."""
        counts = {"num_correct": int(self._num_correct), "num_images": int(self._num_images)}
        return {"loss": float(self._loss), **counts}

    def restore(self, value: Mapping[str, float]) -> None:
        """Goes on from the result of `to_json`."""
        self._loss.fill_(value["loss"])
        self._num_correct.fill_(int(value["num_correct"]))
        self._num_images.fill_(int(value["num_images"]))

    def check(self) -> None:
        """Raises DivergedError if any loss so far was not finite."""
        total = float(self._loss)
        if not math.isfinite(total):
            raise DivergedError(f"the training loss must be finite, got a sum of {total} over the epoch")

    def means(self) -> tuple[float, float]:
        """Returns mean loss and accuracy over all workers; raises DivergedError if a loss was not finite."""
        self.check()
        totals = torch.stack([self._loss, self._num_correct.double(), self._num_images.double()])
        loss, num_correct, num_images = sum_over_members(totals).tolist()
        return loss / num_images, num_correct / num_images
