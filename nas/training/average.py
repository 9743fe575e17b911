"""The moving average of a network's weights, which is often better than the weights themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def build_average(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of a network that follows its weights and running statistics (1707.07012, appendix A.7).

    Call `update_parameters(network)` after each step.

    Args:
        network: what is averaged; the copy is made now.
        decay: share of the old average that a step keeps, once there were many steps; see `decay_after`.
    """

    @torch.no_grad()
    def blend(averages: Sequence[Tensor], values: Sequence[Tensor], num_averaged: Tensor | int) -> None:
        share = 1 - decay_after(int(num_averaged), decay)
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, share)
            else:  # counters
                average.copy_(value)

    return AveragedModel(network, multi_avg_fn=blend, use_buffers=True)


def decay_after(num_averaged: int, decay: float) -> float:
    """The share of the old average that is kept after so many steps: less at first, as in the authors' code.

    With 0.9999 from the start, the initial weights would be most of the average for 10,000 steps.
    """
    return min(decay, (1 + num_averaged) / (10 + num_averaged))
