"""Scheduled drop path: paths are dropped at random, with growing probability (NASNet, 1707.07012, appendix A.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ScheduledDropPath(nn.Module):
    """Draws drop path factors for all paths of a network at once, one per path and image.

    The probability grows linearly with the depth of the cell and the progress of training (variant 3 of the authors'
    code).

    Args:
        num_paths: number of droppable paths per cell, in order.
        rate: drop probability in the last cell at the end of training.
    """

    def __init__(self, num_paths: Sequence[int], rate: float) -> None:
        super().__init__()
        rates = [rate * (index + 1) / len(num_paths) for index, number in enumerate(num_paths) for _ in range(number)]
        # A tensor, since changing a Python number would trigger recompilation.
        self.register_buffer("progress", torch.zeros(()), persistent=False)
        self.register_buffer("rates", torch.tensor(rates), persistent=False)
        self.progress: Tensor
        self.rates: Tensor

    def set_progress(self, fraction: float) -> None:
        """Sets the progress of training, from 0 to 1."""
        if not 0 <= fraction <= 1:
            raise ValueError(f"the progress of training must be between 0 and 1, got {fraction}")
        self.progress.fill_(fraction)

    def draw(self, like: Tensor) -> tuple[Tensor, ...]:
        """Draws a factor (N, 1, 1, 1) per path, 0 or 1 / (1 - probability), from torch's generator of the device.

        The tensor `like` (N, ...) determines the number of images, and the dtype.
        """
        rates = (self.rates * self.progress).view(-1, 1, 1, 1, 1)
        uniform = torch.rand((rates.size(0), like.size(0), 1, 1, 1), device=rates.device)
        return ((uniform >= rates).to(like.dtype) / (1 - rates).to(like.dtype)).unbind(0)
