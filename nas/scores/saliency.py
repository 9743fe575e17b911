"""Scores that add up how much each weight of the convolutions and linear layers matters (2101.08134, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_TYPES = (nn.modules.batchnorm._NormBase, nn.GroupNorm)  # noqa: SLF001 - the common class of batch norms


def grad_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum of the Euclidean norms of the loss's gradient by layer (2101.08134, section 3.2)."""
    weights = layer_weights(network)
    gradients = _gradients(F.cross_entropy(network(images), labels), weights)
    return float(torch.stack([gradient.norm().double() for gradient in gradients]).sum())


def snip(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum of |dL/dw * w| over all weights w (SNIP, 1810.02340, section 4.1; summed as in 2101.08134)."""
    weights = layer_weights(network)
    return _saliency(_gradients(F.cross_entropy(network(images), labels), weights), weights)


def synflow(network: nn.Module, images: Tensor, labels: Tensor) -> float:  # noqa: ARG001 - scores share a signature
    """Logarithm of synaptic flow, the sum of |dR/dw * w| (SynFlow, 2006.05467, section 5; summed as in 2101.08134).

    R is the sum of the logits for one image of ones, with the absolute values of all weights and without norms. The
    logarithm, which keeps the order, is returned because the sum grows exponentially with depth. Weights and flow are
    in double precision.
    """
    network = network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    weights = layer_weights(network)
    with without_norms(network):
        flow = network(torch.ones_like(images[:1], dtype=torch.float64)).sum()
    total = _saliency(_gradients(flow, weights), weights)
    return math.log(total) if total > 0 else -math.inf


def layer_weights(network: nn.Module) -> list[nn.Parameter]:
    """Returns the weights of all convolutions and linear layers."""
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    return [cast("nn.Parameter", layer.weight) for layer in layers]


def _gradients(loss: Tensor, weights: Sequence[nn.Parameter]) -> tuple[Tensor, ...]:
    """The gradient of each weight; 0 for those of which the loss does not depend."""
    return torch.autograd.grad(loss, weights, materialize_grads=True)


def _saliency(gradients: Sequence[Tensor], weights: Sequence[Tensor]) -> float:
    with torch.no_grad():
        parts = [(gradient * weight).abs().double().sum() for gradient, weight in zip(gradients, weights, strict=True)]
        return float(torch.stack(parts).sum())


@contextmanager
def without_norms(network: nn.Module) -> Iterator[None]:
    """Makes all norms return their input within the context."""
    norms = [module for module in network.modules() if isinstance(module, NORM_TYPES)]
    hooks = [norm.register_forward_hook(lambda _norm, inputs, _output: inputs[0]) for norm in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
