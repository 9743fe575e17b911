"""Mixup and CutMix: each image of a batch and its target are mixed with another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor, nn

from nas.recipe import TrainRecipe

Mixer: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def build_mixer(recipe: TrainRecipe, num_classes: int) -> Mixer | None:
    """Builds mixup (1710.09412), CutMix (1905.04899), or one of both at random for each batch.

    Maps images (N, C, H, W) and labels (N,) to mixed images and targets (N, num_classes); None if neither is set.
    Neighbours in the batch are paired, since batches are in random order. Uses torch's global generator of the CPU.
    """
    if not recipe.mixup and not recipe.cutmix:
        return None
    from torchvision.transforms import v2

    mixings: list[nn.Module] = []
    if recipe.mixup:
        mixings.append(v2.MixUp(alpha=recipe.mixup, num_classes=num_classes))
    if recipe.cutmix:
        mixings.append(v2.CutMix(alpha=recipe.cutmix, num_classes=num_classes))
    return v2.RandomChoice(mixings) if len(mixings) > 1 else mixings[0]
