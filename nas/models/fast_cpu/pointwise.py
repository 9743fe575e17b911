"""Pointwise (1x1) convolutions, one or several of one map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.models.fast_cpu.memory import is_eager_cpu, memory_format_of

_SMALL_BATCH = 16


@torch.fx.wrap
def pointwise(images: Tensor, weight: Tensor) -> Tensor:
    """Applies a 1x1 convolution.

    On a single CPU thread, torch computes batches of fewer than 16 images slowly. With channels last the convolution is
    a matrix product of the map as it lies in memory.
    """
    # is_eager_cpu comes first: a program that is traced must not depend on the batch size
    if (
        is_eager_cpu(images)
        and images.size(0) < _SMALL_BATCH
        and images.is_contiguous(memory_format=torch.channels_last)
    ):
        return F.linear(images.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)
    return F.conv2d(images, weight)


def joint_pointwise(images: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Applies several 1x1 convolutions to one map as a single, wider one: wide matrix products are faster."""
    memory_format = memory_format_of(images)
    results = pointwise(images, torch.cat(list(weights)))
    parts = torch.split(results, [len(weight) for weight in weights], dim=1)
    return [part.contiguous(memory_format=memory_format) for part in parts]
