"""Pixels of a map at even positions, and their neighbours to the right and below.

Autograd's gradient of two strided slices adds two maps of zeros; this one writes a single map.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas.models.fast_cpu.memory import memory_format_of


def even_odd_pixels(images: Tensor) -> tuple[Tensor, Tensor]:
    """Splits (N, C, H, W) into two maps (N, C, ceil(H / 2), ceil(W / 2)); beyond the border, zeros are read."""
    even, odd = _EvenOddPixels.apply(images)
    return even, odd


class _EvenOddPixels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        ctx.shape = images.shape
        ctx.memory_format = memory_format_of(images)
        height, width = images.shape[2:]
        odd = F.pad(images[:, :, 1::2, 1::2], (0, width % 2, 0, height % 2))
        return images[:, :, ::2, ::2].clone(), odd

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, even: Tensor, odd: Tensor) -> Tensor:  # noqa: ANN401
        height, width = ctx.shape[2:]
        gradient = torch.empty(ctx.shape, dtype=even.dtype, device=even.device, memory_format=ctx.memory_format).zero_()
        gradient[:, :, ::2, ::2] = even
        gradient[:, :, 1::2, 1::2] = odd[:, :, : height // 2, : width // 2]
        return gradient
