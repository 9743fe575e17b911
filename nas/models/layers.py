"""Convolutions and views of hidden states, padded as TensorFlow's SAME: stride s divides a size by s, rounding up.

What depends on the size of a map is in functions that `torch.fx` does not look into, so that networks can be traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.fast_cpu.depthwise import depthwise_convolution, is_split_faster
from nas.models.fast_cpu.even_odd_pixels import even_odd_pixels
from nas.models.fast_cpu.pointwise import pointwise

_Size: TypeAlias = int | tuple[int, int]


View: TypeAlias = Callable[[Tensor], Tensor]
"""A hashable function of a hidden state (N, C, H, W), without parameters; equal views are computed once."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The state itself."""

    def __call__(self, state: Tensor, /) -> Tensor:
        """Returns the state."""
        return state


@dataclass(frozen=True, slots=True)
class Rectified:
    """The state after ReLU, which precedes every convolution."""

    def __call__(self, state: Tensor, /) -> Tensor:
        """Applies ReLU."""
        return torch.relu(state)


@dataclass(frozen=True, slots=True)
class Pool:
    """The pooled state.

    Attributes:
        kind: ``avg`` or ``max``.
        size: side of the window in pixels.
        stride: 1 or 2.
        counts_padding: whether an average includes the zero padding.
    """

    kind: str
    size: int
    stride: int
    counts_padding: bool = False

    def __call__(self, state: Tensor, /) -> Tensor:
        """Returns (N, C, ceil(H / stride), ceil(W / stride))."""
        return pool_same(state, self.kind, self.size, self.stride, counts_padding=self.counts_padding)


@torch.fx.wrap
def pool_same(state: Tensor, kind: str, size: int, stride: int, *, counts_padding: bool) -> Tensor:
    """Pools a map as `Pool` says."""
    (top, bottom), (left, right) = (same_padding(length, size, stride) for length in state.shape[2:])
    if kind == "max":
        if size == 2 and stride == 1:  # for all other windows ceil_mode reaches the padding
            state = F.pad(state, (left, right, top, bottom), value=-math.inf)
        return F.max_pool2d(state, size, stride, (top, left), ceil_mode=True)
    if counts_padding:
        return F.avg_pool2d(F.pad(state, (left, right, top, bottom)), size, stride)
    return F.avg_pool2d(state, size, stride, (top, left), ceil_mode=True, count_include_pad=False)


class Conv(nn.Conv2d):
    """A convolution without bias, padded so that stride s divides a size by s, rounding up.

    Weights are drawn from a normal distribution of variance 2 / fan-out (the authors' code); the fan-out of a grouped
    convolution is that of one group. Other arguments are those of torch, with `size` for the kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: _Size,
        *,
        stride: _Size = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, size, stride, dilation=dilation, groups=groups, bias=False)
        self._extent = tuple((length - 1) * dilation + 1 for length in self.kernel_size)
        self._is_pointwise = self.kernel_size == (1, 1) and groups == 1

    def reset_parameters(self) -> None:
        """Draws the weights; on the meta device, where they have no values, torch would take milliseconds for it."""
        if self.weight.is_meta:
            return
        fan_out = math.prod(self.kernel_size) * self.out_channels // self.groups
        nn.init.normal_(self.weight, std=math.sqrt(2 / fan_out))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Maps (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        if self._is_pointwise:
            if self.stride != (1, 1):  # oneDNN's gradient of a strided one corrupts memory on CPUs without AVX-512
                input = input[:, :, :: self.stride[0], :: self.stride[1]]  # noqa: A001
            return pointwise(input, self.weight)
        return convolve_same(input, self.weight, self._extent, self.stride, self.dilation, self.groups)


@torch.fx.wrap
def convolve_same(
    images: Tensor,
    weight: Tensor,
    extents: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """Convolves without bias, padded as TensorFlow's SAME for windows of the given extents in pixels."""
    (top, bottom), (left, right) = (
        same_padding(length, extent, stride)
        for length, extent, stride in zip(images.shape[2:], extents, strides, strict=True)
    )
    if (top, left) != (bottom, right):
        images = F.pad(images, (left, right, top, bottom))
        top = left = 0
    return F.conv2d(images, weight, None, strides, (top, left), dilation, groups)


class DepthwiseConv(Conv):
    """A convolution of each channel with its own square kernel, of stride 1 or 2; see `Conv`."""

    def __init__(self, num_channels: int, size: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(num_channels, num_channels, size, stride=stride, dilation=dilation, groups=num_channels)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Maps (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride))."""
        rows, columns = (same_padding(length, self.kernel_size[0], self.stride[0]) for length in input.shape[2:])
        if self.dilation == (1, 1) and is_split_faster(input, self.weight, (rows, columns)):
            return depthwise_convolution(input, self.weight, self.stride[0], (rows, columns))
        return super().forward(input)


class FactorizedReduction(nn.Module):
    """Halves a map without discarding pixels at odd positions entirely (NASNet's code).

    One 1x1 convolution reads the pixels at even positions, another those one to the right and below; each computes half
    of the filters, and a norm follows. Beyond the border, zeros are read. A single filter reads even positions only.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: nn.Module) -> None:
        super().__init__()
        self.even = Conv(in_channels, out_channels - out_channels // 2, 1)
        self.odd = Conv(in_channels, out_channels // 2, 1) if out_channels > 1 else None
        self.norm = norm

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, in_channels, H, W) to (N, out_channels, ceil(H / 2), ceil(W / 2))."""
        even, odd = even_odd_pixels(images)
        halves = [self.even(even)] if self.odd is None else [self.even(even), self.odd(odd)]
        result: Tensor = self.norm(torch.cat(halves, dim=1))
        return result


def same_padding(length: int, size: int, stride: int) -> tuple[int, int]:
    """Returns the padding before and after an axis, so that `stride` divides its length, rounding up."""
    total = max(((length - 1) // stride) * stride + size - length, 0)
    return total // 2, total - total // 2
