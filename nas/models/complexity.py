"""Parameters, multiply-adds and activations of a network, counted on the meta device without allocating weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.reference.descriptions import Buildable
from nas.models.reference.feature_maps import run
from nas.models.reference.wrapped import WrappedNetwork


@dataclass(frozen=True, slots=True)
class StageCost:
    """The cost of one stage for one image.

    Attributes:
        name: ``stem`` (including its cells), ``stage 1``, ..., ``classifier``.
        num_parameters: trainable parameters.
        num_multiply_adds: multiply-adds of convolutions and linear layers.
        num_activations: outputs of convolutions and linear layers.
    """

    name: str
    num_parameters: int
    num_multiply_adds: int
    num_activations: int


@dataclass(frozen=True, slots=True)
class Complexity:
    """The cost of a network for one image, in total (see `StageCost`) and by stage.

    Attributes:
        auxiliary_num_parameters: parameters of the auxiliary head, used in training only and not part of the total.
        stages: cost by stage; a reduction cell belongs to the stage that it opens.
    """

    num_parameters: int
    num_multiply_adds: int
    num_activations: int
    auxiliary_num_parameters: int
    stages: tuple[StageCost, ...]


@lru_cache(maxsize=1024)  # evaluators ask again for each part of a trial between two rungs
def measure(architecture: Buildable, spec: NetworkSpec) -> Complexity:
    """Computes the cost for one image of `spec.image_size` pixels; raises ValueError if a name is unknown."""
    with torch.device("meta"):
        network = build(architecture, spec).eval()
        images = torch.empty(1, spec.in_channels, spec.image_size, spec.image_size)
    if isinstance(network, WrappedNetwork):
        return _measure_wrapped(network, images)
    num_outputs: Counter[nn.Module] = Counter()

    def count(layer: nn.Module, _inputs: Any, output: Tensor) -> None:  # noqa: ANN401 - torch's signature
        num_outputs[layer] += output.numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(images)
    stages = tuple(_stage_cost(name, modules, num_outputs) for name, modules in network.parts.items())
    auxiliary = network.auxiliary_head
    return Complexity(
        sum(stage.num_parameters for stage in stages),
        sum(stage.num_multiply_adds for stage in stages),
        sum(stage.num_activations for stage in stages),
        0 if auxiliary is None else _num_parameters(auxiliary),
        stages,
    )


def _measure_wrapped(network: WrappedNetwork, images: Tensor) -> Complexity:
    """Counts the products of matrices too, such as those of attention, with torch's counter."""
    num_outputs: Counter[str] = Counter()
    parts = {name: modules[0] for name, modules in network.parts.items()}
    handles = [
        layer.register_forward_hook(partial(_count_outputs, num_outputs, name))
        for name, part in parts.items()
        for layer in part.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    flops = _count_flops(network, images)
    for handle in handles:
        handle.remove()
    prefix = f"{type(network).__name__}.network."
    stages = tuple(
        StageCost(name, _num_parameters(part), flops.get(f"{prefix}{name}", 0) // 2, num_outputs[name])
        for name, part in parts.items()
    )
    auxiliary = 0 if network.auxiliary_head is None else _num_parameters(network.auxiliary_head)
    total = _num_parameters(network) - auxiliary
    return Complexity(total, flops.get("Global", 0) // 2, sum(num_outputs.values()), auxiliary, stages)


def _count_outputs(counter: Counter[str], name: str, _layer: nn.Module, _inputs: Any, output: Tensor) -> None:  # noqa: ANN401
    counter[name] += output.numel()


def _count_flops(network: nn.Module, images: Tensor) -> dict[str, int]:
    """Counts operations by the names of the modules; attention takes no kernel that hides its products."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run(network, images)
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
    return {str(name): sum(counts.values()) for name, counts in counter.get_flop_counts().items()}


def _stage_cost(name: str, modules: list[nn.Module], num_outputs: Mapping[nn.Module, int]) -> StageCost:
    """Adds up the cost of a stage. Each output of a layer takes the weights of one filter."""
    seen = [
        (num_outputs[layer], layer.weight[0].numel())
        for module in modules
        for layer in module.modules()
        if layer in num_outputs and isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    return StageCost(
        name,
        sum(_num_parameters(module) for module in modules),
        sum(number * num_weights for number, num_weights in seen),
        sum(number for number, _ in seen),
    )


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
