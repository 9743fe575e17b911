"""Lengths of trainings and learning rate schedules, in iterations."""

from __future__ import annotations

import re
from dataclasses import replace

from nas.downstream.recipe import DenseRecipe
from nas.training.schedule import cosine

COCO_IMAGES = 118_287
"""Images of train2017, for which the papers' schedules are given."""
_ITERATIONS, _BATCH, _CUTS = 90_000, 16, (60_000, 20_000)
_MAX_WARMUP = 0.1


def parse_length(text: str) -> int:
    """Returns the number in ``2x``; raises ValueError for another text."""
    match = re.fullmatch(r"([1-9][0-9]?)x", text, re.ASCII)
    if match is None:
        raise ValueError(f"a schedule must be 1x, 2x, .. 99x, got {text!r:.40}")
    return int(match[1])


def with_length(recipe: DenseRecipe, text: str, num_images: int) -> DenseRecipe:
    """Sets iterations and cuts of a recipe to a schedule of the papers, for any number of images and any batch size.

    ``1x`` is 90,000 iterations of 16 images on COCO's 118,287 images; any length cuts the rate for the last 60,000 and
    the last 20,000 iterations (1811.08883, section 4). All of them are scaled so that every image is seen as often.
    The warm-up is shortened to a tenth of the iterations where it is longer.

    Raises:
        ValueError: if the text is not ``1x``, ``2x`` and so on, or gives fewer than three iterations.
    """
    share = num_images / COCO_IMAGES * _BATCH / recipe.batch_size
    iterations = round(parse_length(text) * _ITERATIONS * share)
    if iterations < 3:
        raise ValueError(
            f"schedule {text} must have at least 3 iterations, got {iterations} with {num_images} images in batches of "
            f"{recipe.batch_size}: set recipe.iterations instead"
        )
    cuts = tuple(cut for cut in (round(cut * share) for cut in _CUTS) if cut)
    warmup = min(recipe.warmup_iterations, int(_MAX_WARMUP * iterations))
    return replace(recipe, iterations=iterations, cuts=cuts, warmup_iterations=warmup)


def learning_rate(recipe: DenseRecipe, iteration: int) -> float:
    """Returns the learning rate of an iteration, counted from 0.

    In the warm-up the rate of the schedule is multiplied by a factor that rises linearly from `warmup_factor` to 1.
    """
    rate = recipe.peak_rate * _share(recipe, iteration)
    if iteration >= recipe.warmup_iterations:
        return rate
    risen = iteration / recipe.warmup_iterations
    return rate * (recipe.warmup_factor * (1 - risen) + risen)


def _share(recipe: DenseRecipe, iteration: int) -> float:
    done = iteration / recipe.iterations
    match recipe.schedule:
        case "cuts":
            return recipe.decay_factor ** sum(iteration >= recipe.iterations - cut for cut in recipe.cuts)
        case "polynomial":
            return float((1 - done) ** recipe.power)
        case "cosine":
            return cosine(done)
        case "constant":
            return 1.0
