"""Construction of the optimizer, and one optimization step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import SGD, Optimizer

from nas.recipe import TrainRecipe
from nas.training.rmsprop import RMSProp


def build_optimizer(network: nn.Module, recipe: TrainRecipe) -> Optimizer:
    """Builds SGD with Nesterov momentum, or RMSProp (1707.07012, appendices A.1 and A.7), with weight decay."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: Any = parameters if recipe.decay_biases else decay_groups(parameters, recipe.weight_decay)
    if recipe.optimizer == "rmsprop":
        return RMSProp(
            groups,
            recipe.peak_rate,
            decay=recipe.rmsprop_decay,
            epsilon=recipe.rmsprop_epsilon,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
    return SGD(
        groups,
        lr=recipe.peak_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
        fused=True,  # networks of cells have hundreds of small tensors: one call for all of them
    )


def decay_groups(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Splits parameters into weights of convolutions and linear layers, which decay, and the rest (1812.01187, 3.1).

    The rest (biases, scales and shifts of norms) are the parameters with one dimension.
    """
    weights = [parameter for parameter in parameters if parameter.ndim > 1]
    biases = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]


def step(optimizer: Optimizer, loss: Tensor, *, scaler: GradScaler, gradient_clip: float) -> None:
    """Computes gradients, clips their global norm (unless `gradient_clip` is 0) and updates the parameters."""
    optimizer.zero_grad(set_to_none=True)
    add_gradients(loss, scaler=scaler)
    update(optimizer, scaler=scaler, gradient_clip=gradient_clip)


def add_gradients(loss: Tensor, *, scaler: GradScaler, share: float = 1.0) -> None:
    """Adds the gradients of a part of a batch, of which it is the given share, to those of its other parts."""
    torch.autograd.backward(scaler.scale(loss if share == 1 else loss * share))


def update(optimizer: Optimizer, *, scaler: GradScaler, gradient_clip: float) -> None:
    """Clips the global norm of the gradients (unless `gradient_clip` is 0) and updates the parameters."""
    if gradient_clip > 0:
        scaler.unscale_(optimizer)
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        nn.utils.clip_grad_norm_(parameters, gradient_clip, foreach=True)
    scaler.step(optimizer)
    scaler.update()
