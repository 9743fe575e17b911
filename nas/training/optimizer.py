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
    rate = _on_device(recipe.peak_rate, parameters)
    if recipe.optimizer == "rmsprop":
        return RMSProp(
            groups,
            rate,
            decay=recipe.rmsprop_decay,
            epsilon=recipe.rmsprop_epsilon,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
    return build_sgd(
        groups,
        lr=rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
        fused=True,  # networks of cells have hundreds of small tensors: one call for all of them
    )


def build_sgd(groups: Any, *, fused: bool | None, **settings: Any) -> SGD:  # noqa: ANN401 - the arguments of SGD
    """Builds SGD, with momentum that is 0 at first, where the parameters are on a GPU.

    Loss scaling skips steps that overflow, often the first one, and fused SGD leaves new momentum uninitialized then.
    """
    optimizer = SGD(groups, fused=fused, **settings)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if group["momentum"] and parameter.device.type == "cuda":
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


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
    torch.autograd.backward(scaler.scale(loss))
    scaler.unscale_(optimizer)
    if gradient_clip > 0:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        nn.utils.clip_grad_norm_(parameters, gradient_clip, foreach=True)
    scaler.step(optimizer)
    scaler.update()


def _on_device(rate: float, parameters: Sequence[nn.Parameter]) -> float | Tensor:
    """Returns a learning rate: a tensor on a GPU, whose optimizers then read it in each replay of a captured step."""
    device = parameters[0].device
    return torch.tensor(rate, device=device) if device.type == "cuda" else rate
