"""Construction of the optimizer, and one optimization step."""
# ruff: noqa: SLF001 - torch's operations on lists of tensors

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import SGD, Optimizer

from nas.recipe import TrainRecipe


def build_optimizer(network: nn.Module, recipe: TrainRecipe) -> Optimizer:
    """Builds SGD with momentum, or RMSProp (1707.07012, appendices A.1 and A.7), with weight decay."""
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
        nesterov=recipe.nesterov and recipe.momentum > 0,
        fused=True,  # networks of cells have hundreds of small tensors: one call for all of them
    )


def build_sgd(groups: Any, *, fused: bool | None, **settings: Any) -> SGD:  # noqa: ANN401 - the arguments of SGD
    """Builds SGD, with momentum that is 0 at first.

    Without it, fused SGD leaves new momentum uninitialized where loss scaling skips a step that overflows, often the
    first one, and fails where some parameters have their first gradient later than others.
    """
    optimizer = SGD(groups, fused=fused, **settings)
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
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
    add_gradients(loss, scaler=scaler)
    update(optimizer, scaler=scaler, gradient_clip=gradient_clip)


def add_gradients(loss: Tensor, *, scaler: GradScaler, share: float = 1.0) -> None:
    """Adds the gradients of a part of a batch, of which it is the given share, to those of its other parts."""
    torch.autograd.backward(scaler.scale(loss if share == 1 else loss * share))


def update(optimizer: Optimizer, *, scaler: GradScaler, gradient_clip: float) -> None:
    """Clips the global norm of the gradients (unless `gradient_clip` is 0) and updates the parameters."""
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


class RMSProp(Optimizer):
    """RMSProp with momentum (NASNet, 1707.07012, appendix A.7: decay 0.9, epsilon 1).

    With epsilon 1 the details matter. As in TensorFlow, epsilon is added inside the square root and the mean of squares
    starts at 1; `torch.optim.RMSprop` adds it outside and starts at 0. The momentum buffer includes the learning rate.
    All parameters are updated in a few calls, and nothing waits for a GPU: a step that loss scaling skips is computed
    without effect.

    `decay` is that of the running mean of squared gradients, `epsilon` is added to it, `weight_decay` is an L2 penalty.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float | Tensor,
        *,
        decay: float = 0.9,
        epsilon: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        settings = {"decay": decay, "epsilon": epsilon, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, {"lr": lr, **settings})
        self._step_supports_amp_scaling = True  # tells GradScaler to leave skipping to `step`

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 - torch passes none
        """Updates the parameters that have a gradient; a `GradScaler` must have unscaled it."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if parameters:
                self._move(parameters, group, getattr(self, "found_inf", None))

    def _move(self, parameters: list[Tensor], group: dict[str, Any], overflow: Tensor | None) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        squares, velocities = self._state_of(parameters)
        decay, momentum = group["decay"], group["momentum"]
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
        if overflow is not None:  # then nothing may change, and reading the flag here would wait for the GPU
            keeps = 1 - overflow
            gradients = [gradient.masked_fill(overflow > 0, 0.0) for gradient in gradients]
            decay, momentum = (factor * keeps + overflow for factor in (decay, momentum))
        torch._foreach_mul_(squares, decay)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["decay"])
        roots = torch._foreach_sqrt(torch._foreach_add(squares, group["epsilon"]))
        torch._foreach_mul_(velocities, momentum)
        torch._foreach_addcdiv_(velocities, torch._foreach_mul(gradients, group["lr"]), roots)
        moves = velocities if overflow is None else torch._foreach_mul(velocities, keeps)
        torch._foreach_sub_(parameters, moves)

    def _state_of(self, parameters: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        states = [self.state[parameter] for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state["square_avg"] = torch.ones_like(parameter)
                state["momentum_buffer"] = torch.zeros_like(parameter)
        return [state["square_avg"] for state in states], [state["momentum_buffer"] for state in states]
