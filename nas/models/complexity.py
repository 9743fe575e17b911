"""What a network costs, found on torch's meta device: no weight is allocated, nothing is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas.fidelity import NetworkSpec
from nas.models.build import AnyNetwork, Buildable, build
from nas.models.network import Network
from nas.models.resnet import ResidualNetwork


@dataclass(frozen=True, slots=True)
class StageCost:
    """The cost of one stage, for one image.

    Attributes:
        name: ``stem`` (its cells included), ``stage 1``, ..., ``classifier``.
        num_parameters: trainable ones.
        num_multiply_adds: of convolutions and linear layers.
        num_activations: numbers that convolutions and linear layers give.
    """

    name: str
    num_parameters: int
    num_multiply_adds: int
    num_activations: int


@dataclass(frozen=True, slots=True)
class Complexity:
    """The cost of a network, for one image. The auxiliary head is counted apart, since only training uses it.

    Attributes:
        num_parameters: trainable ones.
        num_multiply_adds: of convolutions and linear layers.
        num_activations: numbers that convolutions and linear layers give.
        auxiliary_num_parameters: of the auxiliary head; 0 if there is none.
        stages: the same by stage; a reduction cell belongs to the stage that it opens.
    """

    num_parameters: int
    num_multiply_adds: int
    num_activations: int
    auxiliary_num_parameters: int
    stages: tuple[StageCost, ...]


def measure(architecture: Buildable, spec: NetworkSpec) -> Complexity:
    """Counts what a network costs for one image of `spec.image_size` pixels.

    Args:
        architecture: its cells, or the reference network.
        spec: the network around them.

    Returns:
        The counts.

    Raises:
        ValueError: if the architecture names an operation or a norm that does not exist.
    """
    with torch.device("meta"):
        network = build(architecture, spec).eval()
        images = torch.empty(1, spec.in_channels, spec.image_size, spec.image_size)
    layers = _Layers(network)
    with torch.no_grad():
        network(images)
    stages = tuple(layers.cost(name, modules) for name, modules in _stages(network).items())
    auxiliary = network.auxiliary_head
    return Complexity(
        sum(stage.num_parameters for stage in stages),
        sum(stage.num_multiply_adds for stage in stages),
        sum(stage.num_activations for stage in stages),
        0 if auxiliary is None else _num_parameters(auxiliary),
        stages,
    )


class _Layers:
    """Watches every convolution and linear layer of a network: how many numbers did it give?"""

    def __init__(self, network: AnyNetwork) -> None:
        self._num_activations: dict[nn.Module, int] = {}
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(self._see)

    def _see(self, module: nn.Module, _inputs: Any, output: Tensor) -> None:  # noqa: ANN401 - torch's signature
        self._num_activations[module] = self._num_activations.get(module, 0) + output.numel()

    def cost(self, name: str, modules: list[nn.Module]) -> StageCost:
        """Adds up a stage. Each number that a layer gives takes the weights of one of its filters."""
        seen = [
            (self._num_activations[layer], layer.weight[0].numel())
            for layer in _each_layer(modules)
            if layer in self._num_activations
        ]
        return StageCost(
            name,
            sum(_num_parameters(module) for module in modules),
            sum(number * num_weights for number, num_weights in seen),
            sum(number for number, _ in seen),
        )


def _each_layer(modules: list[nn.Module]) -> Iterator[nn.Conv2d | nn.Linear]:
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                yield layer


def _stages(network: AnyNetwork) -> dict[str, list[nn.Module]]:
    if isinstance(network, ResidualNetwork):
        stages: dict[str, list[nn.Module]] = {
            f"stage {number}": [stage] for number, stage in enumerate(network.stages, start=1)
        }
        return {"stem": [network.conv1, network.bn1], **stages, "classifier": [network.fc]}
    return _stages_of_cells(network)


def _stages_of_cells(network: Network) -> dict[str, list[nn.Module]]:
    stages: dict[str, list[nn.Module]] = {"stem": [network.stem]}
    for index, (cell, place) in enumerate(zip(network.cells, network.places, strict=True)):
        name = "stem" if index < network.spec.num_stem_cells else f"stage {place.stage + 1}"
        stages.setdefault(name, []).append(cell)
    stages["classifier"] = [network.classifier]
    return stages


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
