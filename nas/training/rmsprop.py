"""RMSProp as in TensorFlow, for which NASNet's constants are meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class RMSProp(Optimizer):
    """RMSProp with momentum (NASNet, 1707.07012, appendix A.7: decay 0.9, epsilon 1).

    With epsilon 1 the details matter. As in TensorFlow, epsilon is added inside the square root and the mean of squares
    starts at 1; `torch.optim.RMSprop` adds it outside and starts at 0. The momentum buffer includes the learning rate.

    `decay` is that of the running mean of squared gradients, `epsilon` is added to it, `weight_decay` is an L2 penalty.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        *,
        decay: float = 0.9,
        epsilon: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        settings = {"decay": decay, "epsilon": epsilon, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, {"lr": lr, **settings})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 - torch passes none
        """Updates the parameters that have a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state = self.state[parameter]
        if not state:
            state["square_avg"] = torch.ones_like(parameter)
            state["momentum_buffer"] = torch.zeros_like(parameter)
        squares, velocity = state["square_avg"], state["momentum_buffer"]
        squares.mul_(group["decay"]).addcmul_(gradient, gradient, value=1 - group["decay"])
        velocity.mul_(group["momentum"]).addcdiv_(gradient, (squares + group["epsilon"]).sqrt(), value=group["lr"])
        parameter.sub_(velocity)
