"""How long a training is, and its learning rate at every iteration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from nas.downstream.recipe import DenseRecipe
from nas.training.schedule import cosine

COCO_IMAGES = 118_287
"""Pictures of train2017, on which the papers' schedules are counted."""
_ITERATIONS, _BATCH, _CUTS = 90_000, 16, (60_000, 20_000)
_MAX_WARMUP = 0.1


def parse_length(text: str) -> int:
    """The number in ``2x``; raises ValueError if the text is not of that form."""
    match = re.fullmatch(r"([1-9][0-9]?)x", text, re.ASCII)
    if match is None:
        raise ValueError(f"a schedule must be 1x, 2x, .. 99x, got {text!r:.40}")
    return int(match[1])


def with_length(recipe: DenseRecipe, text: str, num_images: int) -> DenseRecipe:
    """A recipe with the iterations and cuts of the papers' schedules, for any number of pictures and any batch.

    ``1x`` is 90,000 iterations of 16 pictures out of COCO's 118,287, and the rate is cut for the last 60,000 and again
    for the last 20,000 whatever the length (1811.08883, section 4). All of them shrink and grow so that every picture
    is seen as often. The warm-up stays as it is, but takes a tenth of the training at most.

    Args:
        recipe: gives the batch and all else.
        text: ``1x``, ``2x``, and so on.
        num_images: of the training pictures.

    Raises:
        ValueError: if the text is no schedule, or one of less than three iterations comes out.
    """
    share = num_images / COCO_IMAGES * _BATCH / recipe.batch_size
    iterations = round(parse_length(text) * _ITERATIONS * share)
    if iterations < 3:
        raise ValueError(
            f"{text} of {num_images} pictures at {recipe.batch_size} an iteration makes {iterations} iterations; there "
            "must be at least 3: give the number of iterations instead"
        )
    cuts = tuple(cut for cut in (round(cut * share) for cut in _CUTS) if cut)
    warmup = min(recipe.warmup_iterations, int(_MAX_WARMUP * iterations))
    return replace(recipe, iterations=iterations, cuts=cuts, warmup_iterations=warmup)


def learning_rate(recipe: DenseRecipe, iteration: int) -> float:
    """The learning rate of an iteration, counted from 0.

    In the warm-up the schedule's rate is multiplied by a factor that rises in a line from `warmup_factor` to 1.
    """
    rate = recipe.peak_rate * _SCHEDULES[recipe.schedule](recipe, iteration)
    if iteration >= recipe.warmup_iterations:
        return rate
    risen = iteration / recipe.warmup_iterations
    return rate * (recipe.warmup_factor * (1 - risen) + risen)


def _after_cuts(recipe: DenseRecipe, iteration: int) -> float:
    return recipe.decay_factor ** sum(iteration >= recipe.iterations - cut for cut in recipe.cuts)


def _polynomial(recipe: DenseRecipe, iteration: int) -> float:
    return float((1 - iteration / recipe.iterations) ** recipe.power)


_SCHEDULES: Mapping[str, Callable[[DenseRecipe, int], float]] = MappingProxyType(
    {
        "cuts": _after_cuts,
        "polynomial": _polynomial,
        "cosine": lambda recipe, iteration: cosine(iteration / recipe.iterations),
        "constant": lambda *_: 1.0,
    }
)
