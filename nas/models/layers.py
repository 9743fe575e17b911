"""Convolutions and views of hidden states, padded as TensorFlow's SAME: stride s divides a size by s, rounding up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_Size: TypeAlias = int | tuple[int, int]


class View(Protocol):
    """A function of a hidden state without parameters. Views are plain values: equal ones are computed once."""

    def __call__(self, state: Tensor, /) -> Tensor:
        """Applies it to (N, C, H, W)."""
        ...

    def __hash__(self) -> int:
        """Equal for equal views."""
        ...


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The state itself."""

    def __call__(self, state: Tensor, /) -> Tensor:
        """Returns the state."""
        return state


@dataclass(frozen=True, slots=True)
class Rectified:
    """The state with its negative values set to zero, as every operation with a convolution reads it."""

    def __call__(self, state: Tensor, /) -> Tensor:
        """Returns a new tensor of the state's shape."""
        return torch.relu(state)


@dataclass(frozen=True, slots=True)
class Pool:
    """The state pooled.

    Attributes:
        kind: ``avg`` or ``max``.
        size: side of the window in pixels.
        stride: 1 or 2.
        counts_padding: whether an average counts padding as zeros; it is left out of the average otherwise.
    """

    kind: str
    size: int
    stride: int
    counts_padding: bool = False

    def __call__(self, state: Tensor, /) -> Tensor:
        """Returns (N, C, ceil(H / stride), ceil(W / stride))."""
        (top, bottom), (left, right) = (same_padding(length, self.size, self.stride) for length in state.shape[2:])
        if self.kind == "max":
            if self.size == 2 and self.stride == 1:  # the only window that rounding up does not carry over the border
                state = F.pad(state, (left, right, top, bottom), value=-math.inf)
            return F.max_pool2d(state, self.size, self.stride, (top, left), ceil_mode=True)
        if self.counts_padding:
            return F.avg_pool2d(F.pad(state, (left, right, top, bottom)), self.size, self.stride)
        return F.avg_pool2d(state, self.size, self.stride, (top, left), ceil_mode=True, count_include_pad=False)


class Conv(nn.Conv2d):
    """A convolution without bias, padded so that stride s divides a size by s, rounding up.

    Weights are drawn from a normal distribution whose variance is 2 / fan-out (the authors' code), where the fan-out of
    a grouped convolution is that of one group.

    Args:
        in_channels: of the map.
        out_channels: of the result.
        size: of the window in pixels: one number, or height and width.
        stride: as size.
        dilation: distance of neighbours in the window.
        groups: as in torch.
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
        self._is_pointwise = self.kernel_size == self.stride == (1, 1) and groups == 1

    def reset_parameters(self) -> None:
        """Draws the weights."""
        fan_out = math.prod(self.kernel_size) * self.out_channels // self.groups
        nn.init.normal_(self.weight, std=math.sqrt(2 / fan_out))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Maps (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        if self._is_pointwise:
            return pointwise(input, self.weight)
        (top, bottom), (left, right) = (
            same_padding(length, extent, stride)
            for length, extent, stride in zip(input.shape[2:], self._extent, self.stride, strict=True)
        )
        if (top, left) != (bottom, right):
            input = F.pad(input, (left, right, top, bottom))  # noqa: A001
            top = left = 0
        return F.conv2d(input, self.weight, None, self.stride, (top, left), self.dilation, self.groups)


def pointwise(images: Tensor, weight: Tensor) -> Tensor:
    """Applies a 1x1 convolution.

    Below 16 images, torch on a single CPU thread leaves it to a slow path, but with channels last it is a matrix
    product of the map as it lies in memory.
    """
    if is_eager_cpu(images) and images.size(0) < 16 and images.is_contiguous(memory_format=torch.channels_last):
        return F.linear(images.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)
    return F.conv2d(images, weight)


def joint_pointwise(images: Tensor, convs: Sequence[Conv]) -> list[Tensor]:
    """Applies several 1x1 convolutions to one map as one: wide matrix products are faster than narrow ones."""
    memory_format = memory_format_of(images)
    results = pointwise(images, torch.cat([conv.weight for conv in convs]))
    parts = torch.split(results, [conv.out_channels for conv in convs], dim=1)
    return [part.contiguous(memory_format=memory_format) for part in parts]


def is_eager_cpu(images: Tensor) -> bool:
    """Whether what follows runs as it is written and on a CPU: elsewhere torch's own ways are the best."""
    return images.device.type == "cpu" and not torch.compiler.is_compiling()


class FactorizedReduction(nn.Module):
    """Halves a map without losing every other pixel (the authors' code of NASNet).

    One 1x1 convolution reads the pixels at even places, another those one to the right and below, each giving half of
    the filters; one norm follows. Past the border a zero is read. A single filter reads the even places only.

    Args:
        in_channels: of the map.
        out_channels: of the result.
        norm: of the result.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: nn.Module) -> None:
        super().__init__()
        self.even = Conv(in_channels, out_channels - out_channels // 2, 1)
        self.odd = Conv(in_channels, out_channels // 2, 1) if out_channels > 1 else None
        self.norm = norm

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, in_channels, H, W) to (N, out_channels, ceil(H / 2), ceil(W / 2))."""
        even, odd = _EvenOddPixels.apply(images)
        halves = [self.even(even)] if self.odd is None else [self.even(even), self.odd(odd)]
        result: Tensor = self.norm(torch.cat(halves, dim=1))
        return result


class _EvenOddPixels(torch.autograd.Function):
    """The pixels at even places, and those one to the right and below, with zeros past the border.

    Written out because the gradient of two strided slices is two maps of zeros and their sum, where one map does.
    """

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


def memory_format_of(images: Tensor) -> torch.memory_format:
    """How a map lies in memory: channels first or last."""
    is_last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format


def same_padding(length: int, size: int, stride: int) -> tuple[int, int]:
    """Padding before and after an axis so that `stride` divides its length, rounding up; an odd one goes after."""
    total = max(((length - 1) // stride) * stride + size - length, 0)
    return total // 2, total - total // 2
