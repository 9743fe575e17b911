"""Lengths of trainings and learning rate schedules, in iterations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nas.downstream.recipe import DenseRecipe
from nas.training.schedule import cosine

COCO_IMAGES = 118_287
"""Images of train2017, for which the papers' schedules are given."""
_ITERATIONS, _BATCH, _CUTS = 90_000, 16, (60_000, 20_000)
_MAX_WARMUP = 0.1


@dataclass(frozen=True, slots=True, order=True)
class Length:
    """The length of a training: iterations, or a multiple of ``1x``, which depends on the number of images."""

    number: int
    is_multiple: bool


def parse_length(text: str) -> Length:
    """Reads ``2x``, ``60k`` (thousands of iterations) or ``600it`` (iterations); raises ValueError for another text."""
    match = re.fullmatch(r"([1-9][0-9]?)x|([1-9][0-9]{0,5})k|([1-9][0-9]{0,8})it", text, re.ASCII)
    if match is None:
        raise ValueError(f"a schedule must be 1x, 2x, .. 99x, or iterations such as 60k or 600it, got {text!r:.40}")
    multiple, thousands, iterations = match.groups()
    return Length(int(multiple or iterations or 0) or 1000 * int(thousands), is_multiple=multiple is not None)


def check_lengths(texts: Sequence[str]) -> None:
    """Raises ValueError unless lengths are all multiples of ``1x`` or all iterations, the shortest first."""
    lengths = [parse_length(text) for text in texts]
    if not lengths or sorted(set(lengths)) != lengths:
        raise ValueError(f"schedules must be one or more, the shortest first, got {', '.join(texts)}")
    if len({each.is_multiple for each in lengths}) > 1:
        raise ValueError(f"schedules must all be such as 2x, or all be such as 60k or 600it, got {', '.join(texts)}")


def with_length(recipe: DenseRecipe, text: str, num_images: int) -> DenseRecipe:
    """Sets iterations and cuts of a recipe to a schedule of the papers.

    ``1x`` is 90,000 iterations of 16 images on COCO's 118,287 images; any length cuts the rate for the last 60,000 and
    the last 20,000 iterations (1811.08883, section 4). For other numbers of images or another batch size all of them
    are scaled so that every image is seen as often. The warm-up is shortened to a tenth of the iterations where it is
    longer.

    ``60k`` or ``600it`` are iterations as they are, for any number of images, as in section 5 of the paper. The cuts
    are the recipe's, if none is in the first third; otherwise they are placed as those of ``1x`` are.

    Raises:
        ValueError: if the text is no length, or gives fewer than three iterations.
    """
    length = parse_length(text)
    share = num_images / COCO_IMAGES * _BATCH / recipe.batch_size
    iterations = round(length.number * _ITERATIONS * share) if length.is_multiple else length.number
    if iterations < 3:
        raise ValueError(
            f"schedule {text} must have at least 3 iterations, got {iterations} with {num_images} images in batches of "
            f"{recipe.batch_size}: set recipe.iterations instead"
        )
    cuts = tuple(cut for cut in (round(cut * share) for cut in _CUTS) if cut)
    if not length.is_multiple:
        cuts = _cuts_of(recipe, iterations)
    warmup = min(recipe.warmup_iterations, int(_MAX_WARMUP * iterations))
    return replace(recipe, iterations=iterations, cuts=cuts, warmup_iterations=warmup)


def _cuts_of(recipe: DenseRecipe, iterations: int) -> tuple[int, ...]:
    if max(recipe.cuts, default=0) * _ITERATIONS <= iterations * _CUTS[0]:
        return recipe.cuts
    return tuple(cut for cut in (round(iterations * cut / _ITERATIONS) for cut in _CUTS) if cut)


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
