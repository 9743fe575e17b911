"""Random draws for one photograph: its crop, flip, colors and cutout, from (seed, epoch, photograph) alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.data.crop_decoding import Box
from nas.recipe import TrainRecipe

ASPECTS = (3 / 4, 4 / 3)
NUM_DRAWS = 9
"""Numbers drawn for the device: 3 factors of color jitter, their order, 3 of lighting, row and column of cutout."""

_TRIES = 10


@dataclass(frozen=True, slots=True)
class CropDraw:
    """Draws the augmentation of photographs as a recipe sets it.

    Attributes:
        seed: of the training.
        size: side of the crops in pixels.
        share: side of the center square that is used without random resized crops, as a share of the shorter side.
    """

    recipe: TrainRecipe
    seed: int
    size: int
    share: float

    def generator(self, epoch: int, photograph: int) -> np.random.Generator:
        """Returns the generator of a photograph in an epoch."""
        return np.random.default_rng((self.seed, epoch, photograph))

    def box(self, width: int, height: int, generator: np.random.Generator) -> Box:
        """Draws a crop: a random resized one, or a random one of the recipe's `crop_padding` around the center."""
        if self.recipe.min_crop_area:
            return resized_box(width, height, generator, min_area=self.recipe.min_crop_area)
        side = min(width, height) * self.share
        across, down = generator.random(2)
        return Box(across * (width - side), down * (height - side), side, side)

    def numbers(self, generator: np.random.Generator) -> tuple[bool, npt.NDArray[np.float32]]:
        """Draws whether to flip, and `NUM_DRAWS` numbers for `nas.streaming.colors`."""
        flip = self.recipe.flip and generator.random() < 0.5
        jitter = 1 + self.recipe.color_jitter * generator.uniform(-1, 1, 3)
        order = generator.integers(6)
        lighting = self.recipe.lighting * generator.standard_normal(3)
        center = generator.integers(self.size, size=2)
        return flip, np.array([*jitter, order, *lighting, *center], dtype=np.float32)


def resized_box(width: int, height: int, generator: np.random.Generator, *, min_area: float) -> Box:
    """Draws a crop of `min_area` to all of the area and of aspect ratio 3/4 to 4/3 (1409.4842, section 6).

    As in torchvision, the largest center crop with an allowed aspect ratio is used if ten draws do not fit.
    """
    low, high = (math.log(aspect) for aspect in ASPECTS)
    for _ in range(_TRIES):
        area = width * height * generator.uniform(min_area, 1)
        aspect = math.exp(generator.uniform(low, high))
        across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < across <= width and 0 < down <= height:
            left = int(generator.integers(width - across + 1))
            return Box(left, int(generator.integers(height - down + 1)), across, down)
    across = min(width, round(height * ASPECTS[1]))
    down = min(height, round(width / ASPECTS[0]))
    return Box((width - across) // 2, (height - down) // 2, across, down)
