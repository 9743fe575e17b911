"""The optimizer, and one step of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import SGD, Optimizer

from nas.fidelity import TrainRecipe


def build_optimizer(network: nn.Module, recipe: TrainRecipe) -> Optimizer:
    """SGD with Nesterov momentum and weight decay on all parameters (1707.07012, appendix A)."""
    return SGD(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
        fused=True,  # a child has hundreds of small tensors: one call for all of them
    )


def step(optimizer: Optimizer, loss: Tensor, *, scaler: GradScaler, gradient_clip: float) -> None:
    """Computes gradients, clips their global norm (0: not at all) and moves the parameters."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(scaler.scale(loss))
    if gradient_clip > 0:
        scaler.unscale_(optimizer)
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        nn.utils.clip_grad_norm_(parameters, gradient_clip, foreach=True)
    scaler.step(optimizer)
    scaler.update()
