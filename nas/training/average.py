"""Exponential moving average (EMA) of a network's weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def build_average(network: nn.Module, decay: float) -> AveragedModel:
    """Copies a network as the average of its weights and running statistics (1707.07012, appendix A.7).

    Call `update_parameters(network)` after each step. The old average gets the weight `decay_after(step, decay)`.
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
    """Returns the weight of the old average after a number of steps: smaller at first, as in the authors' code.

    With a constant 0.9999, the initial weights would dominate the average for 10,000 steps.
    """
    return min(decay, (1 + num_averaged) / (10 + num_averaged))
