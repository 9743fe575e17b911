"""Scores from the activations and gradients of single images in an untrained network."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nas.models.layers import Rectified
from nas.models.states import HiddenState

_RECTIFIERS = (torch.relu, torch.relu_, torch.nn.functional.relu, torch.nn.functional.relu_, Tensor.relu, Tensor.relu_)
_JACOBIAN_EPSILON = 1e-5


def naswot(network: nn.Module, images: Tensor, labels: Tensor) -> float:  # noqa: ARG001 - scores share a signature
    """Log-determinant of the similarity of activation patterns (2006.04647, section 3): log |det K_H|.

    K_H[i, j] is the number of rectified units minus the Hamming distance between the patterns of images i and j. A
    pattern holds whether each unit is active. A state is counted once for each operation that reads it after ReLU, as
    in networks whose operations begin with a ReLU of their own, those of the paper.
    """
    patterns = _ActivationPatterns(len(images))
    for reader in network.modules():
        if getattr(reader, "view", None) == Rectified():
            reader.register_forward_pre_hook(lambda _reader, states: patterns.read(states[0]))
    with torch.no_grad(), patterns:
        network(images)
    return float(torch.linalg.slogdet(patterns.kernel).logabsdet)


class _ActivationPatterns(TorchFunctionMode):
    """Adds up the kernel over all calls of ReLU within the context, and over states that are read."""

    def __init__(self, num_images: int) -> None:
        super().__init__()
        self.kernel = torch.zeros(num_images, num_images, dtype=torch.float64)
        self._counts_calls = True

    def read(self, state: HiddenState) -> None:
        """Adds a state after ReLU, which is computed only once however often it is read."""
        self._counts_calls = False
        rectified = state.view(Rectified())
        self._counts_calls = True
        self._add(rectified)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        if func in _RECTIFIERS and self._counts_calls:
            self._add(result)
        return result

    def _add(self, rectified: Tensor) -> None:
        active = (rectified.flatten(1) > 0).to(torch.float32)  # exact up to 2^24 units a map
        both = active @ active.T
        counts = both.diagonal()
        # equal units: active in both, or in none
        self.kernel += (both * 2 + active.shape[1] - counts[:, None] - counts[None, :]).double().cpu()


def jacobian_covariance(network: nn.Module, images: Tensor, labels: Tensor) -> float:  # noqa: ARG001 - see `naswot`
    """How little the gradients of single images correlate (2006.04647, version 1; "jacob_cov" of 2101.08134).

    With the eigenvalues s of the correlation matrix of the gradients of the summed logits with respect to each image,
    -sum(log(s + k) + 1 / (s + k)), k = 1e-5.
    """
    inputs = images.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs, materialize_grads=True)
    correlation = torch.corrcoef(gradient.flatten(1).double())
    if not torch.isfinite(correlation).all():  # the gradient of an image is constant, such as 0
        return -math.inf
    values = torch.linalg.eigvalsh(correlation) + _JACOBIAN_EPSILON
    return float(-(values.log() + 1 / values).sum())
