"""How the learning rate goes over a run."""

from __future__ import annotations

import math

from torch.optim import Optimizer

from nas.fidelity import TrainRecipe


def cosine(progress: float) -> float:
    """From 1 at progress 0 down to 0 at progress 1, by half a cosine wave (1608.03983, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def learning_rate(recipe: TrainRecipe, progress: float) -> float:
    """The learning rate when the share `progress`, between 0 and 1, of all steps is done."""
    return recipe.learning_rate * cosine(progress)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Sets the learning rate of all groups of parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate
