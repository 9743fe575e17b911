"""Pictures with masks as a training sees them: scaled, cut out and mirrored at random, or whole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as change
from torchvision.tv_tensors import Image, Mask

from nas.data.image_decoding import decode_image
from nas.downstream.recipe import DenseRecipe
from nas.downstream.segmentation.classes import IGNORED, Classes
from nas.downstream.segmentation.data import Pair, read_mask
from nas.downstream.training import Draw

MEAN = (0.4850, 0.4580, 0.4076)
STD = (0.2290, 0.2250, 0.2254)
"""Of ImageNet's channels, where white is 1 (1812.01187, section 2.1, divided by 255)."""
_GREY = [float(round(255 * value)) for value in MEAN]
_MOST_BYTES = 2**29


class SegmentationPictures:
    """Pictures with masks, to train on and to measure by.

    Decoded ones are kept, no larger than the largest scale asks for, while they take less than 512 MiB.

    Args:
        pairs: the files.
        classes: that are learned.
        recipe: holds scales, the longest side and whether pictures are mirrored.
        crop: height and width in pixels of what is cut out in training.
    """

    def __init__(self, pairs: Sequence[Pair], classes: Classes, recipe: DenseRecipe, *, crop: int) -> None:
        self.pairs = tuple(pairs)
        self.classes = classes
        self._table = torch.from_numpy(classes.table)
        self._recipe = recipe
        self._crop = crop
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._num_bytes = 0

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, draws: Sequence[Draw], device: torch.device) -> tuple[Tensor, Tensor]:
        """Makes a batch to train on; what happens to a picture follows from its draw alone.

        Args:
            draws: which pictures, and the seed of each.
            device: where it goes.

        Returns:
            Pictures, float32 of shape (N, 3, crop, crop) where white is 1, and the numbers of the classes, int64 of
            shape (N, crop, crop), `IGNORED` where there is none.
        """
        changed = [self._change(*self._load(draw.index), seed=draw.seed) for draw in draws]
        pictures = torch.stack([picture for picture, _ in changed]).to(device)
        masks = torch.stack([mask[0] for _, mask in changed]).to(device)
        return pictures.float() / 255, masks.long()

    def whole(self, index: int) -> tuple[Tensor, Tensor]:
        """A whole picture as it is measured.

        Returns:
            The picture, uint8 of shape (3, h, w), brought to the last scale; the numbers of the classes, uint8 of the
            picture's own shape (H, W).
        """
        pair = self.pairs[index]
        picture = torch.from_numpy(decode_image(pair.picture, None))
        return change.resize(picture, self._scaled(picture, self._recipe.scales[-1])), self._numbers(pair)

    def _numbers(self, pair: Pair) -> Tensor:
        return self._table[torch.from_numpy(read_mask(pair.mask).copy()).long()]

    def _load(self, index: int) -> tuple[Tensor, Tensor]:
        if index in self._kept:
            return self._kept[index]
        pair = self.pairs[index]
        picture: Tensor = Image(torch.from_numpy(decode_image(pair.picture, None)))
        mask: Tensor = Mask(self._numbers(pair)[None])
        size = self._scaled(picture, max(self._recipe.scales))
        if size[0] < picture.shape[1]:
            picture, mask = change.resize(picture, size), change.resize(mask, size)
        if self._num_bytes < _MOST_BYTES:
            self._kept[index] = picture, mask
            self._num_bytes += picture.numel() + mask.numel()
        return picture, mask

    def _change(self, picture: Tensor, mask: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        """Scales, cuts out and mirrors a picture and its mask together; draws all that any recipe may need."""
        generator = torch.Generator().manual_seed(seed)
        scale, top, left, flip = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        scales, crop = self._recipe.scales, self._crop
        size = self._scaled(picture, scales[int(scale * len(scales))])
        height, width = (max(length, crop) for length in size)
        padding = [0, 0, width - size[1], height - size[0]]
        corner = int(top * (height - crop + 1)), int(left * (width - crop + 1))
        changed = []
        fills: tuple[float | list[float], ...] = (_GREY, IGNORED)
        for each, fill in zip((picture, mask), fills, strict=True):
            padded = change.pad(change.resize(each, size), padding, fill=fill)
            cut = change.crop(padded, *corner, crop, crop)
            changed.append(change.horizontal_flip(cut) if self._recipe.flip and flip < 0.5 else cut)
        return changed[0], changed[1]

    def _scaled(self, picture: Tensor, shorter: int) -> list[int]:
        height, width = picture.shape[1:]
        return scaled_size(height, width, shorter=shorter, longer=self._recipe.max_side)


def scaled_size(height: int, width: int, *, shorter: int, longer: int) -> list[int]:
    """Height and width in proportion: the shorter one as asked for, or less where the longer one would be too long."""
    factor = min(shorter / min(height, width), longer / max(height, width))
    return [max(1, round(length * factor)) for length in (height, width)]
