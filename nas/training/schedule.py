"""Learning rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.optim import Optimizer

from nas.recipe import TrainRecipe


def cosine(progress: float) -> float:
    """Decays from 1 at progress 0 to 0 at progress 1 by half a cosine wave (1608.03983, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def learning_rate(recipe: TrainRecipe, progress: float, *, step_share: float = 0.0) -> float:
    """Computes the learning rate of a step.

    The i-th of m warmup steps has i/m of the peak rate (1812.01187, section 3.1). The cosine covers the remaining
    steps; step and exponential schedules count epochs from the start of the run. `progress` is the share of the run's
    steps completed before this one, from 0 to 1, and `step_share` one step as a share; needed during warmup only.
    """
    warmup = recipe.warmup_epochs / recipe.epochs
    if progress < warmup:
        return recipe.peak_rate * min(1.0, (progress + step_share) / warmup)
    return recipe.peak_rate * _SCHEDULES[recipe.schedule](recipe, progress, (progress - warmup) / (1 - warmup))


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Sets the learning rate of all parameter groups; a tensor is changed in place, since a captured step reads it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _step(recipe: TrainRecipe, progress: float, _after_warmup: float) -> float:
    # Rounding errors may put a whole number of epochs slightly below it.
    return recipe.decay_factor ** math.floor(progress * recipe.epochs / recipe.decay_every + 1e-9)


def _exponential(recipe: TrainRecipe, progress: float, _after_warmup: float) -> float:
    return float(recipe.decay_factor ** (progress * recipe.epochs / recipe.decay_every))


_SCHEDULES: Mapping[str, Callable[[TrainRecipe, float, float], float]] = MappingProxyType(
    {
        "cosine": lambda _recipe, _progress, after_warmup: cosine(after_warmup),
        "step": _step,
        "exponential": _exponential,
        "constant": lambda *_: 1.0,
    }
)
