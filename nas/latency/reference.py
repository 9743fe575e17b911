"""The reference network, whose speed is that of the machine: what slows it down slows other networks down as well."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from nas.export.programs import onnx_bytes

VERSION = 1
"""Changes with the network, since its times then compare no more."""

_CHANNELS, _CELLS, _IMAGE_SIZE, _SEED = 16, 2, 16, 0


class ReferenceNetwork(nn.Module):
    """Convolutions, cells of many small operations as searches find them, and a classifier; about 1 ms an image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, _CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(_CHANNELS))
        self.cells = nn.ModuleList(_Cell() for _ in range(_CELLS))
        self.classifier = nn.Linear(_CHANNELS, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images (N, 3, H, W) to logits (N, 10)."""
        before = state = self.stem(images)
        for cell in self.cells:
            before, state = state, cell(before, state)
        logits: Tensor = self.classifier(state.mean((2, 3)))
        return logits


class _Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.separable = nn.ModuleList(_separable(size) for size in (3, 5, 3))
        self.convolution = _relu_conv_bn(3)
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.match = _relu_conv_bn(1, 3 * _CHANNELS)

    def forward(self, before: Tensor, state: Tensor) -> Tensor:
        first = self.separable[0](before) + self.separable[1](state)
        second = self.pool(state) + self.convolution(before)
        third = self.separable[2](first) + second
        matched: Tensor = self.match(torch.cat([first, second, third], 1))
        return matched


def _separable(size: int) -> nn.Sequential:
    depthwise = nn.Conv2d(_CHANNELS, _CHANNELS, size, padding=size // 2, groups=_CHANNELS, bias=False)
    pointwise = nn.Conv2d(_CHANNELS, _CHANNELS, 1, bias=False)
    return nn.Sequential(nn.ReLU(), depthwise, pointwise, nn.BatchNorm2d(_CHANNELS))


def _relu_conv_bn(size: int, channels: int = _CHANNELS) -> nn.Sequential:
    convolution = nn.Conv2d(channels, _CHANNELS, size, padding=size // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(_CHANNELS))


@lru_cache(maxsize=1)
def reference_network() -> tuple[ReferenceNetwork, Tensor]:
    """The network in evaluation mode and its image (1, 3, 16, 16), always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_SEED)
        return ReferenceNetwork().eval(), torch.randn(1, 3, _IMAGE_SIZE, _IMAGE_SIZE)


@lru_cache(maxsize=1)
def reference_onnx() -> bytes:
    """The network as an ONNX model, exported once in a process."""
    return onnx_bytes(*reference_network())
