"""Batch normalization synchronized over all members of a process group, also on CPUs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn

from nas.models.normalization import BatchNorm, num_members


class _SumOverMembers(torch.autograd.Function):
    """Sums over all members, and likewise their gradients, since every member's loss depends on every summand."""

    @staticmethod
    def forward(_context: Any, values: Tensor) -> Tensor:  # noqa: ANN401 - torch's
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, *gradients: Any) -> Tensor:  # noqa: ANN401 - torch's
        return _SumOverMembers.forward(_context, gradients[0])


class SyncBatchNorm(BatchNorm):
    """Batch normalization over the batches of all members, which must have equal size.

    `torch.nn.SyncBatchNorm` does the same on GPUs, but does not support CPUs.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalizes (N, C, H, W) over H, W and the images of all members."""
        num_values = input.size(0) * input.size(2) * input.size(3)
        if not self.training or num_members() == 1 or num_values == 1:
            return super().forward(input)
        count = num_values * num_members()
        values = input.float()
        mean = _total(values.sum((0, 2, 3))) / count
        centred = values - mean.view(-1, 1, 1)
        variance = _total(centred.square().sum((0, 2, 3))) / count  # two passes, for numerical precision
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul(self.bias.view(-1, 1, 1), centred, scale.view(-1, 1, 1)).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        for running, value in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(value, self.momentum or 0.0)


def synchronized(norm: nn.BatchNorm2d | nn.SyncBatchNorm, device: torch.device) -> nn.Module:
    """Builds a synchronized norm for a device, with the constants, parameters and statistics of another norm."""
    kind = nn.SyncBatchNorm if device.type == "cuda" else SyncBatchNorm
    new = kind(norm.num_features, eps=norm.eps, momentum=norm.momentum)
    new.weight, new.bias = norm.weight, norm.bias
    new.running_mean, new.running_var = norm.running_mean, norm.running_var
    new.num_batches_tracked = norm.num_batches_tracked
    return new.train(norm.training)


def _total(values: Tensor) -> Tensor:
    total: Tensor = _SumOverMembers.apply(values)
    return total
