"""Depthwise convolution whose weight gradient is computed a few columns at a time.

On CPUs, oneDNN computes the gradient of a depthwise kernel fast for windows of up to three columns, padded by at most
one; for wider windows it takes 5 to 15 times as long as the forward pass. The gradient of a group of columns equals
that of a kernel with only these columns on a shifted map, so wide kernels are split into groups.

With stride 2, a map of even size needs one more pixel of padding after than before. Extending the kernel by a row and a
column of zeros makes the padding symmetric without copying the map.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas.models.fast_cpu.memory import is_eager_cpu, memory_format_of

_MAX_COLUMNS = 3
_MAX_STRIDED_PADDING = 2
_PIECE_BYTES = 2**22
Pads = tuple[tuple[int, int], tuple[int, int]]
"""Padding before and after the rows, and before and after the columns."""


def is_split_faster(images: Tensor, weight: Tensor, pads: Pads) -> bool:
    """Returns whether `depthwise_convolution` is faster than torch's own, which it is only for training on a CPU.

    Under compilation and autocast, torch's own gradient is the better choice.
    """
    trains = torch.is_grad_enabled() and weight.requires_grad
    if not trains or not is_eager_cpu(images) or torch.is_autocast_enabled("cpu"):
        return False
    size = weight.shape[2]
    is_narrow = size <= _MAX_COLUMNS and all(before == after for before, after in pads)
    return not is_narrow and min(images.shape[2:]) >= size


def depthwise_convolution(images: Tensor, weight: Tensor, stride: int, pads: Pads) -> Tensor:
    """Convolves each channel of (N, C, H, W) with its own kernel of (C, 1, size, size), with stride 1 or 2."""
    result: Tensor = _DepthwiseConvolution.apply(images, weight, stride, pads)
    return result


class _DepthwiseConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: int, pads: Pads) -> Tensor:  # noqa: ANN401
        kernel, padding = _pad_kernel(weight, pads)
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.pads = stride, pads
        return F.conv2d(images, kernel, None, stride, padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:  # noqa: ANN401
        images, weight = ctx.saved_tensors
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            kernel, padding = _pad_kernel(weight, ctx.pads)
            of_images, _ = _gradients(gradient, images, kernel, ctx.stride, padding, (True, False))
        if ctx.needs_input_grad[1]:
            of_weight = _gradient_of_weight(gradient, images, weight, ctx.stride, ctx.pads)
        return of_images, of_weight, None, None


def _pad_kernel(weight: Tensor, pads: Pads) -> tuple[Tensor, tuple[int, int]]:
    """Makes the padding symmetric by prepending zeros to the kernel where the padding after is larger by one."""
    (top, bottom), (left, right) = pads
    if (top, left) != (bottom, right):
        weight = F.pad(weight, (right - left, 0, bottom - top, 0))
    return weight, (bottom, right)


def _gradient_of_weight(gradient: Tensor, images: Tensor, weight: Tensor, stride: int, pads: Pads) -> Tensor:
    """Sums over pieces of the batch, so that shifted maps stay in the CPU cache."""
    num_images = max(1, _PIECE_BYTES // (images[0].numel() * images.element_size()))
    groups, total = _column_groups(weight.shape[3]), torch.zeros_like(weight)
    pieces = zip(torch.split(images, num_images), torch.split(gradient, num_images), strict=True)
    for piece, piece_gradient in pieces:
        parts = [_gradient_of_columns(piece_gradient, piece, weight, group, stride, pads) for group in groups]
        total += torch.cat(parts, dim=3)
    return total


def _column_groups(num_columns: int) -> list[tuple[int, int]]:
    """Splits columns into the fewest groups of at most three, of nearly equal width, as (first, count) pairs."""
    num_groups = -(-num_columns // _MAX_COLUMNS)
    edges = [-(-num_columns * index // num_groups) for index in range(num_groups + 1)]
    return [(first, end - first) for first, end in itertools.pairwise(edges)]


def _gradient_of_columns(
    gradient: Tensor, images: Tensor, weight: Tensor, columns: tuple[int, int], stride: int, pads: Pads
) -> Tensor:
    """Computes the gradient of a group of columns from the map shifted to where they read it."""
    first, count = columns
    (top, bottom), (left, _) = pads
    width = (gradient.shape[3] - 1) * stride + count
    pads_rows = top == bottom and (stride == 1 or top <= _MAX_STRIDED_PADDING)
    shifted = _shift(images, left - first, width, (0, 0) if pads_rows else (top, bottom))
    kernel = weight[..., first : first + count]
    return _gradients(gradient, shifted, kernel, stride, (top if pads_rows else 0, 0), (False, True))[1]


def _shift(images: Tensor, by: int, width: int, rows: tuple[int, int]) -> Tensor:
    """Shifts maps to the right into maps of another width, with rows of zeros above and below.

    Faster than torch's padding, which first fills the whole result with zeros.
    """
    batch, channels, height, old_width = images.shape
    top, bottom = rows[0], rows[0] + height
    shape = (batch, channels, bottom + rows[1], width)
    shifted = torch.empty(shape, dtype=images.dtype, device=images.device, memory_format=memory_format_of(images))
    first, last = max(by, 0), min(by + old_width, width)
    shifted[:, :, top:bottom, first:last] = images[..., first - by : last - by]
    for border in (shifted[..., :first], shifted[..., last:], shifted[:, :, :top], shifted[:, :, bottom:]):
        border.zero_()
    return shifted


def _gradients(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """Computes torch's gradients of images and weight."""
    settings = [stride, stride], list(padding), [1, 1], False, [0, 0], len(weight)
    of_images, of_weight, _ = torch.ops.aten.convolution_backward(
        gradient, images, weight, None, *settings, [*wanted, False]
    )
    return of_images, of_weight
