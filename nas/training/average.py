"""Exponential moving average (EMA) of a network's weights."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class MovingAverage(AveragedModel):
    """Average of a network's weights and running statistics, `module`, a copy of it (1707.07012, appendix A.7).

    Call `update_parameters(network)` after each step, with the same network, whose tensors must stay the same. The old
    average gets the weight `decay_after(step, decay)`. The number of steps is kept on the CPU, so that a GPU is never
    waited for, and all weights are updated in a few calls.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, use_buffers=True)
        self._decay = decay
        self._weights: tuple[list[Tensor], list[Tensor]] | None = None
        self._counters: tuple[list[Tensor], list[Tensor]] = ([], [])

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Includes the current weights of the network."""
        num_averaged = int(self.n_averaged)
        weights = self._weights if self._weights is not None else self._pair(model)
        if num_averaged == 0:
            torch._foreach_copy_(*weights)
        else:
            torch._foreach_lerp_(*weights, 1 - decay_after(num_averaged, self._decay))
        if self._counters[0]:
            torch._foreach_copy_(*self._counters)
        self.n_averaged += 1

    def _pair(self, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        """Lists the tensors of the average and of the network, once: in large networks this takes milliseconds."""
        tensors = [list(chain(each.parameters(), each.buffers())) for each in (self.module, model)]
        averages, values = ([tensor for tensor in each if tensor.is_floating_point()] for each in tensors)
        counters, counts = ([tensor for tensor in each if not tensor.is_floating_point()] for each in tensors)
        self._weights, self._counters = (averages, values), (counters, counts)
        return self._weights


def decay_after(num_averaged: int, decay: float) -> float:
    """Returns the weight of the old average after a number of steps: smaller at first, as in the authors' code.

    With a constant 0.9999, the initial weights would dominate the average for 10,000 steps.
    """
    return min(decay, (1 + num_averaged) / (10 + num_averaged))
