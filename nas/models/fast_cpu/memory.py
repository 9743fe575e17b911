"""Checks of where a map is computed and how it lies in memory."""

from __future__ import annotations

import torch
from torch import Tensor


def is_eager_cpu(images: Tensor) -> bool:
    """Returns whether operations on a map run eagerly on a CPU; elsewhere torch's own kernels are the best choice."""
    return images.device.type == "cpu" and not torch.compiler.is_compiling()


def memory_format_of(images: Tensor) -> torch.memory_format:
    """Returns the memory format of a map: channels first or channels last."""
    is_last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format
