"""Images with masks for training, randomly scaled, cropped and mirrored, and for evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as change
from torchvision.tv_tensors import Image, Mask

from nas.downstream.recipe import IMAGENET_MEAN, DenseRecipe
from nas.downstream.segmentation.classes import IGNORED, Classes
from nas.downstream.segmentation.data import read_mask, read_picture
from nas.downstream.segmentation.pairs import Pair
from nas.downstream.training import Draw

_GREY = [float(round(255 * value)) for value in IMAGENET_MEAN]
_MOST_BYTES = 2**29


class SegmentationImages:
    """Images with masks for training, in square crops of `crop` pixels, and for evaluation.

    The recipe holds the scales, the largest side and whether images are mirrored. Caches up to 512 MiB of decoded
    images, at most at the largest scale.
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
        """Returns a training batch; the augmentation of an image depends on its draw only.

        Returns:
            Images, float32 (N, 3, crop, crop), where white is 1, and class numbers, int64 (N, crop, crop), `IGNORED`
            where a pixel has no class.
        """
        changed = [self._change(*self._load(draw.index), seed=draw.seed) for draw in draws]
        images = torch.stack([image for image, _ in changed]).to(device)
        masks = torch.stack([mask[0] for _, mask in changed]).to(device)
        return images.float() / 255, masks.long()

    def whole(self, index: int) -> tuple[Tensor, Tensor]:
        """Returns an image, uint8 (3, h, w), at the last scale, and its class numbers, uint8 (H, W), at full size."""
        pair = self.pairs[index]
        image = torch.from_numpy(read_picture(pair, read_mask(pair.mask)))
        return change.resize(image, self._scaled(image, self._recipe.scales[-1])), self._numbers(pair)

    def _numbers(self, pair: Pair) -> Tensor:
        return self._table[torch.from_numpy(read_mask(pair.mask).copy()).long()]

    def _load(self, index: int) -> tuple[Tensor, Tensor]:
        if index in self._kept:
            return self._kept[index]
        pair = self.pairs[index]
        image: Tensor = Image(torch.from_numpy(read_picture(pair, read_mask(pair.mask))))
        mask: Tensor = Mask(self._numbers(pair)[None])
        size = self._scaled(image, max(self._recipe.scales))
        if size[0] < image.shape[1]:
            image, mask = change.resize(image, size), change.resize(mask, size)
        if self._num_bytes < _MOST_BYTES:
            self._kept[index] = image, mask
            self._num_bytes += image.numel() + mask.numel()
        return image, mask

    def _change(self, image: Tensor, mask: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        """Scales, crops and mirrors an image and its mask; draws the same numbers with every recipe."""
        generator = torch.Generator().manual_seed(seed)
        scale, top, left, flip = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        scales, crop = self._recipe.scales, self._crop
        size = self._scaled(image, scales[int(scale * len(scales))])
        height, width = (max(length, crop) for length in size)
        padding = [0, 0, width - size[1], height - size[0]]
        corner = int(top * (height - crop + 1)), int(left * (width - crop + 1))
        changed = []
        fills: tuple[float | list[float], ...] = (_GREY, IGNORED)
        for each, fill in zip((image, mask), fills, strict=True):
            padded = change.pad(change.resize(each, size), padding, fill=fill)
            cut = change.crop(padded, *corner, crop, crop)
            changed.append(change.horizontal_flip(cut) if self._recipe.flip and flip < 0.5 else cut)
        return changed[0], changed[1]

    def _scaled(self, image: Tensor, shorter: int) -> list[int]:
        height, width = image.shape[1:]
        return scaled_size(height, width, shorter=shorter, longer=self._recipe.max_side)


def scaled_size(height: int, width: int, *, shorter: int, longer: int) -> list[int]:
    """Returns height and width scaled to a shorter side, or less where the longer side would exceed `longer`."""
    factor = min(shorter / min(height, width), longer / max(height, width))
    return [max(1, round(length * factor)) for length in (height, width)]
