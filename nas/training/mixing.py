"""Mixup and CutMix: each image of a batch and its target are mixed with another's."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.transforms import v2

from nas.recipe import TrainRecipe


class Mixer:
    """Applies mixup (1710.09412), CutMix (1905.04899), or one of both at random to each batch.

    Neighbours in the batch are paired, since batches are in random order. Uses torch's global generator.

    Args:
        recipe: settings `mixup` and `cutmix`.
        num_classes: length of the targets.
    """

    def __init__(self, recipe: TrainRecipe, num_classes: int) -> None:
        mixings: list[nn.Module] = []
        if recipe.mixup:
            mixings.append(v2.MixUp(alpha=recipe.mixup, num_classes=num_classes))
        if recipe.cutmix:
            mixings.append(v2.CutMix(alpha=recipe.cutmix, num_classes=num_classes))
        self._mix = v2.RandomChoice(mixings) if len(mixings) > 1 else next(iter(mixings), None)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixes a batch.

        Args:
            images: (N, C, H, W).
            labels: (N,).

        Returns:
            Mixed images and targets (N, num_classes); the unchanged batch if neither is enabled.
        """
        if self._mix is None:
            return images, labels
        mixed, targets = self._mix(images, labels)
        return mixed, targets
