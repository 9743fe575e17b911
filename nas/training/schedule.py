"""How the learning rate goes over a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch.optim import Optimizer

from nas.recipe import TrainRecipe


def cosine(progress: float) -> float:
    """From 1 at progress 0 down to 0 at progress 1, by half a cosine wave (1608.03983, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def learning_rate(recipe: TrainRecipe, progress: float, *, step_share: float = 0.0) -> float:
    """The learning rate of a step.

    In the warm-up the i-th of its m steps has i/m of the peak rate (1812.01187, section 3.1). The cosine then goes over
    what is left of the run; steps and exponential count their epochs from the start of the run.

    Args:
        recipe: holds the schedule and the peak rate.
        progress: the share of all steps that is done before this one, between 0 and 1.
        step_share: the share of all steps that this one is; matters in the warm-up only.
    """
    warmup = recipe.warmup_epochs / recipe.epochs
    if progress < warmup:
        return recipe.peak_rate * min(1.0, (progress + step_share) / warmup)
    return recipe.peak_rate * _SCHEDULES[recipe.schedule](recipe, progress, (progress - warmup) / (1 - warmup))


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Sets the learning rate of all groups of parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _step(recipe: TrainRecipe, progress: float, _after_warmup: float) -> float:
    # The share of steps may miss a whole number of epochs by a rounding error.
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
