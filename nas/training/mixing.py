"""Mixup and cutmix: batches in which each image is part another one, and its target likewise."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.transforms import v2

from nas.recipe import TrainRecipe


class Mixer:
    """Mixes a batch as a recipe says: mixup (1710.09412), cutmix (1905.04899), or of both one at random each time.

    Neighbours in the batch are paired; batches are drawn in random order. All draws are from torch's own generator.

    Args:
        recipe: holds `mixup` and `cutmix`.
        num_classes: length of a target.
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
            The images, and targets (N, num_classes); the batch itself if nothing is to be mixed.
        """
        if self._mix is None:
            return images, labels
        mixed, targets = self._mix(images, labels)
        return mixed, targets
