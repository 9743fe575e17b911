"""Places instance normalization in residual networks as IBN-Net does (1807.09441, section 3.2 and its variants).

A mixed norm is instance normalization of some of the channels and batch normalization of the rest.

- ``a``: the norm after the first convolution of each block is mixed, in all stages but the last.
- ``b``: instance normalization after the stem's convolution, and after the addition in the last block of each of the
  first two stages.
- ``c``: the norm at the end of the residual branch of each block is mixed, in all stages but the last.
- ``d``: as b, with mixed norms instead of instance normalization.
- ``ad``: a and d. ``a2``: as a, and the second norm of each block is mixed too.

The authors published code of a and b. The others are only drawn, in the paper's table of variants; they are built here
from descriptions of that figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from nas.models.reference.squeeze import residual_sum

_Build: TypeAlias = Callable[[int], nn.Module]
_DEPTHS = {"a": 3, "c": 3, "a2": 3, "b": 2, "d": 2}
"""Stages with instance normalization, from the input, as published."""

_AFTER_SUM = ("b", "d")


@dataclass(frozen=True, slots=True)
class AppearanceNorms:
    """Builders of the norms that remove appearance, from the number of channels: mixed, and instance only."""

    mixed: _Build
    instance: _Build


class NormalizedSum(nn.Module):
    """A residual block of torchvision with a norm between the addition and the last ReLU."""

    def __init__(self, block: BasicBlock | Bottleneck, build: _Build) -> None:
        super().__init__()
        self.block = block
        self.norm = build(_last_norm(block).num_features)

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, C, H, W) to the output of the block, normalized."""
        return torch.relu(self.norm(residual_sum(self.block, images)))


def place_instance_norms(network: Any, placement: str, norms: AppearanceNorms, num_stages: int | None = None) -> None:  # noqa: ANN401 - a ResNet of torchvision
    """Replaces norms of a residual network of torchvision in place.

    Args:
        network: with ``bn1`` and ``stages``.
        placement: one of `nas.models.reference.names.PLACEMENTS`.
        norms: builds the new norms.
        num_stages: stages with instance normalization, from the input, 0 for none; None for as many as published.
    """
    for part in ("a", "d") if placement == "ad" else (placement,):
        depth = _DEPTHS[part] if num_stages is None else num_stages
        _place(network, part, norms, network.stages[:depth])


def _place(network: Any, placement: str, norms: AppearanceNorms, stages: Sequence[nn.Sequential]) -> None:  # noqa: ANN401
    for block in (block for stage in stages for block in stage):
        for name in _mixed_in(block, placement):
            setattr(block, name, norms.mixed(getattr(block, name).num_features))
    if placement in _AFTER_SUM and stages:
        build = norms.instance if placement == "b" else norms.mixed
        network.bn1 = build(network.bn1.num_features)
        for stage in stages:
            last: Any = stage[-1]
            stage[-1] = NormalizedSum(last, build)


def _mixed_in(block: nn.Module, placement: str) -> tuple[str, ...]:
    """Names of the norms of a block that are mixed."""
    last = "bn3" if isinstance(block, Bottleneck) else "bn2"
    return {"a": ("bn1",), "a2": ("bn1", "bn2"), "c": (last,)}.get(placement, ())


def _last_norm(block: Any) -> Any:  # noqa: ANN401 - a batch norm
    return block.bn3 if isinstance(block, Bottleneck) else block.bn2
