"""Fits the settings that count in epochs or iterations to a training that was made shorter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from nas.downstream.recipe import DenseRecipe
from nas.recipe import TrainRecipe

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecipeLengths:
    """The recipe of a kind of configuration: its defaults, its length and its warm-up."""

    defaults: Settings
    length: str
    warmup: str


EPOCHS = RecipeLengths({each.name: each.default for each in fields(TrainRecipe)}, "epochs", "warmup_epochs")
ITERATIONS = RecipeLengths({each.name: each.default for each in fields(DenseRecipe)}, "iterations", "warmup_iterations")


def fit_lengths(recipe: dict[str, Any], former: Settings, given: Collection[str], lengths: RecipeLengths) -> None:
    """Scales a warm-up or cuts of the learning rate in place that do not fit the length of a recipe.

    The rule: a warm-up that is not shorter than the training, or cuts that begin before it, are multiplied by the
    length of the recipe divided by the length for which they were meant. What fits, and what the user gave together
    with the length, stays as it is.

    Args:
        recipe: The section ``recipe``, not validated; values of a wrong type are left for the validation to refuse.
        former: The recipe for which warm-up and cuts were meant.
        given: Settings that stay as they are.
        lengths: The kind of recipe.
    """
    wanted, meant = {**lengths.defaults, **recipe}, {**lengths.defaults, **former}
    length, old_length = wanted[lengths.length], meant[lengths.length]
    if not (_is_number(length) and _is_number(old_length) and 0 < length < old_length):
        return
    share = length / old_length
    warmup = wanted[lengths.warmup]
    if lengths.warmup not in given and _is_number(warmup) and warmup >= length:
        recipe[lengths.warmup] = int(warmup * share) if lengths is ITERATIONS else warmup * share
    cuts = wanted.get("cuts", ())
    if "cuts" in given or wanted["schedule"] != "cuts" or not all(map(_is_number, cuts)):
        return
    if any(cut >= length for cut in cuts):
        scaled = {round(cut * share) for cut in cuts}
        recipe["cuts"] = sorted((cut for cut in scaled if 0 < cut < length), reverse=True)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
