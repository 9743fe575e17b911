"""Scheduled drop path (NASNet, 1707.07012, appendix A.4): paths are dropped at random, more and more often."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ScheduledDropPath(nn.Module):
    """Draws, for all paths of a network at once, the factors by which each path's result is scaled for each image.

    The probability of a drop grows linearly with the depth of the cell and with the progress of training; a path that
    is kept is scaled up so that its expectation stays (variant 3 of the authors' code).

    Args:
        num_paths: for each cell in order, how many of its paths can be dropped.
        rate: the probability in the last cell at the end of training.
    """

    def __init__(self, num_paths: Sequence[int], rate: float) -> None:
        super().__init__()
        self.num_paths = tuple(num_paths)
        rates = [rate * (index + 1) / len(num_paths) for index, number in enumerate(num_paths) for _ in range(number)]
        # A tensor, since a changing Python number would compile a compiled network anew.
        self.register_buffer("progress", torch.zeros(()), persistent=False)
        self.register_buffer("rates", torch.tensor(rates), persistent=False)
        self.progress: Tensor
        self.rates: Tensor

    def set_progress(self, fraction: float) -> None:
        """Says how much of the training is done, from 0 to 1."""
        if not 0 <= fraction <= 1:
            raise ValueError(f"the progress of training must be between 0 and 1, got {fraction}")
        self.progress.fill_(fraction)

    def draw(self, like: Tensor) -> list[tuple[Tensor, ...]]:
        """Draws from torch's generator of the device.

        Args:
            like: (N, ...): gives the number of images, the device and the number format.

        Returns:
            For each cell, a factor (N, 1, 1, 1) for each of its paths: 0, or 1 / (1 - probability).
        """
        rates = (self.rates * self.progress).view(-1, 1, 1, 1, 1)
        uniform = torch.rand((rates.size(0), like.size(0), 1, 1, 1), device=rates.device)
        factors = (uniform >= rates).to(like.dtype) / (1 - rates).to(like.dtype)
        paths = iter(factors.unbind(0))
        return [tuple(next(paths) for _ in range(number)) for number in self.num_paths]
