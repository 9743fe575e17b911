"""Zen-score: how much an untrained network with Gaussian weights changes with its input (Zen-NAS, 2102.01063)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.models.reference.wrapped import WrappedNetwork
from nas.scores.saliency import NORM_TYPES

_PERTURBATION = 1e-2


def zen(network: nn.Module, images: Tensor, labels: Tensor) -> float:  # noqa: ARG001 - scores share a signature
    """Zen-score (2102.01063, section 4 and algorithm 1): log E|f(x) - f(x + a e)| + sum over norms of log s.

    f is the map before global average pooling; weights, x and e are drawn from N(0, 1), as many images as in the batch;
    a = 0.01; s^2 is the mean over channels of the variance that a norm removes. Norms of constant maps are left out.
    Skip connections, which the paper removes, are part of the searched cells and stay.
    """
    _draw_gaussian_weights(network)
    spreads: list[Tensor] = []
    first = torch.randn_like(images)
    second = first + _PERTURBATION * torch.randn_like(images)
    if isinstance(network, WrappedNetwork):
        network.find_levels()  # before there are hooks, since it passes images through a copy
    norms = [module for module in network.modules() if isinstance(module, NORM_TYPES)]
    hooks = [norm.register_forward_pre_hook(lambda _norm, inputs: spreads.append(_spread(inputs[0]))) for norm in norms]
    with torch.no_grad():
        before = network.features(first)[-1]  # type: ignore[operator]
        for hook in hooks:
            hook.remove()
        after = network.features(second)[-1]  # type: ignore[operator]
    difference = float((after - before).abs().double().sum((1, 2, 3)).mean())
    scale = sum(math.log(spread) for each in spreads if (spread := float(each)) > 0)
    return math.log(difference) + scale if difference > 0 else -math.inf


def _spread(images: Tensor) -> Tensor:
    return images.double().var((0, 2, 3), unbiased=False).mean().sqrt()


def _draw_gaussian_weights(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
