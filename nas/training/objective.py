"""What training makes small, and how it notices that it has failed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.recipe import TrainRecipe


class DivergedError(RuntimeError):
    """The loss, or what the network gives, is not finite any more."""


def split_output(output: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Separates the logits from those of the auxiliary head, None where there is no such head."""
    return output if isinstance(output, tuple) else (output, None)


def classification_loss(output: Tensor | tuple[Tensor, Tensor], targets: Tensor, recipe: TrainRecipe) -> Tensor:
    """Cross-entropy with label smoothing, plus that of the auxiliary head times its weight.

    Args:
        output: logits of shape (images, classes), or these and the logits of the auxiliary head.
        targets: labels of shape (images,), or probabilities of shape (images, classes).
        recipe: holds `label_smoothing` and `auxiliary_weight`.
    """
    logits, auxiliary = split_output(output)
    loss = F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
    if auxiliary is not None:
        smoothed = F.cross_entropy(auxiliary, targets, label_smoothing=recipe.label_smoothing)
        loss = loss + recipe.auxiliary_weight * smoothed
    return loss


def distilled_loss(loss: Tensor, logits: Tensor, teacher: Tensor, recipe: TrainRecipe) -> Tensor:
    """Has a network give what its teacher gives (1503.02531, section 2; 1812.01187, section 5.3).

    (1 - w) loss + w T^2 H(softmax(teacher / T), softmax(logits / T)): the square keeps the gradient's size whatever T.

    Args:
        loss: on the true targets.
        logits: of the network, of shape (images, classes).
        teacher: logits of the teacher for the same images.
        recipe: holds `distillation`, which is w, and `temperature`, which is T.
    """
    share, temperature = recipe.distillation, recipe.temperature
    soft = F.cross_entropy(logits / temperature, F.softmax(teacher / temperature, dim=1))
    return (1 - share) * loss + share * temperature**2 * soft


class EpochSums:
    """Sums over the images of an epoch, kept on the device: a GPU is not made to wait for each step."""

    def __init__(self, device: torch.device) -> None:
        self.num_images = 0
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._num_correct = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Counts a batch in: its mean loss, and how many of its labels the logits hit."""
        self._loss += loss.detach().double() * len(labels)
        self._num_correct += (logits.detach().argmax(1) == labels).sum()
        self.num_images += len(labels)

    def check(self) -> None:
        """Raises DivergedError if a loss so far was not finite: one such makes the sum so for good."""
        total = float(self._loss)
        if not math.isfinite(total):
            raise DivergedError(f"the training loss is not finite any more, its sum over an epoch is {total}")

    def totals(self) -> Tensor:
        """The sums as numbers of one tensor (3,): loss, right answers, images; so that workers can add theirs up."""
        return torch.stack([self._loss, self._num_correct.double(), torch.full_like(self._loss, self.num_images)])

    def means(self, totals: Tensor | None = None) -> tuple[float, float]:
        """Returns mean loss and share of right answers; raises DivergedError if a loss was not finite.

        Args:
            totals: of all workers together; None takes those of this one.
        """
        self.check()
        if totals is not None:
            loss, num_correct, num_images = totals.tolist()
            return loss / num_images, num_correct / num_images
        return float(self._loss) / self.num_images, int(self._num_correct) / self.num_images
