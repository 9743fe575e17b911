"""Removes the stride of a stage without changing its layers: the stage is computed on shifted copies of its input.

A stage that halves a map computes every second pixel of what it would compute without its stride. Computed on the map
shifted by 0 and 1 pixels to the left and up, it yields the other pixels too, and later layers read pixels at twice the
distance, as with a dilation of 2 ("shift and stitch", 1411.4038, section 3.2; atrous convolution, 1606.00915, section
3.1). The weights stay, and the result at even positions is that of the stage with its stride. Norms of a batch have the
statistics of all copies together, norms of an instance those of each copy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))


class ShiftedCopies:
    """The copies of the maps of one forward pass, for one or more stages in a row."""

    def __init__(self) -> None:
        self._sizes: list[torch.Size] = []

    def spread(self, *maps: Tensor) -> list[Tensor]:
        """Copies maps that the next stage reads, before it halves the last of them.

        Args:
            maps: (N, C, H, W); earlier ones may have twice the size of the last, or four times, and so on.

        Returns:
            (4 N, C, H, W): each map shifted by what is 0 and 1 pixels of the last one; beyond the border, zeros.
        """
        size = maps[-1].shape[2:]
        self._sizes.append(size)
        return [_copies(each, max(1, round(each.shape[2] / size[0]))) for each in maps]

    def gather(self, result: Tensor) -> Tensor:
        """Joins the results (4 N, C, h, w) of stages to (N, C, H, W), the size of the maps before the first of them."""
        for size in reversed(self._sizes):
            copies, channels, height, width = result.shape
            grid = result.view(2, 2, copies // 4, channels, height, width).permute(2, 3, 4, 0, 5, 1)
            result = grid.reshape(copies // 4, channels, 2 * height, 2 * width)[..., : size[0], : size[1]]
        return result


def _copies(images: Tensor, step: int) -> Tensor:
    shifts = [(down * step, right * step) for down, right in _SHIFTS]
    return torch.cat([F.pad(images[..., down:, right:], (0, right, 0, down)) for down, right in shifts])
