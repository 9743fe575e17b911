"""A network of a library with the interface of the networks of this project."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from nas.fidelity import NetworkSpec
from nas.models.reference.feature_maps import Unit, find_units, last_of_each_stride, remove_after
from nas.models.reference.names import ReferenceNetwork

_MAP_SIZE = 256
"""Side of the images, in pixels, with which maps are found; networks made for one size are run at theirs."""

_NUM_LEVELS = 4
_LEAST_LEVELS = 3
"""Maps for detectors and segmenters: the coarsest ones."""


class WrappedNetwork(nn.Module):
    """An image classifier of torchvision or timm, or a DenseNet.

    Filters, repeats, stages and drop path do not apply.

    Attributes:
        network: the network of the library.
    """

    def __init__(self, reference: ReferenceNetwork, spec: NetworkSpec, network: nn.Module) -> None:
        super().__init__()
        self.architecture = reference
        self.spec = spec
        self.network = network
        self._levels: tuple[str, ...] | None = None

    @property
    def auxiliary_head(self) -> nn.Module | None:
        """The auxiliary head of Inception-V3, which serves training only."""
        head = getattr(self.network, "AuxLogits", None)
        return head if isinstance(head, nn.Module) else None

    @property
    def classifier(self) -> str:
        """Name of the last layer, which has one output for each class."""
        layers = ((name, each) for name, each in self.named_modules() if isinstance(each, nn.Linear | nn.Conv2d))
        names: list[str] = [name for name, layer in layers if len(layer.weight) == self.spec.num_classes]
        return names[-1]

    @property
    def parts(self) -> dict[str, list[nn.Module]]:
        """The parts of the network by the library's names; one that has nearly all weights is divided further."""
        sizes = {name: _size(child) for name, child in self.network.named_children()}
        parts: dict[str, list[nn.Module]] = {}
        for name, child in self.network.named_children():
            grandchildren = dict(child.named_children())
            if 2 * sizes[name] > sum(sizes.values()) and len(grandchildren) > 1:
                parts |= {f"{name}.{inner}": [each] for inner, each in grandchildren.items() if _size(each)}
            elif sizes[name] and child is not self.auxiliary_head:
                parts[name] = [child]
        return parts

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Maps images (N, in_channels, H, W) to logits (N, num_classes).

        In training mode with an auxiliary head, returns a pair of logits and auxiliary logits.
        """
        outputs: Any = self.network(images)
        return outputs if isinstance(outputs, Tensor) else (outputs[0], outputs[1])

    def set_progress(self, fraction: float) -> None:
        """Does nothing, since there is no scheduled drop path."""

    def units(self) -> tuple[Unit, ...]:
        """Finds the modules that compute maps, see `find_units`."""
        return find_units(self.network, self.spec.in_channels, self._map_size())

    def levels(self) -> tuple[Unit, ...]:
        """Finds the units whose maps detectors and segmenters read, from the finest map to the coarsest.

        Raises:
            ValueError: if there are too few, as in networks that are not convolutional.
        """
        found = last_of_each_stride(self.units())[-_NUM_LEVELS:]
        if len(found) < _LEAST_LEVELS:
            name = self.architecture.name
            raise ValueError(f"{name} must compute maps of {_LEAST_LEVELS} strides or more, got {len(found)}")
        return found

    def features(self, images: Tensor) -> list[Tensor]:
        """Computes the maps of `levels` for images (N, in_channels, H, W)."""
        names = self.find_levels()
        found: dict[str, Tensor] = {}

        def collect(name: str) -> Any:  # noqa: ANN401 - torch's handle
            def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:  # noqa: ANN401
                found[name] = output

            return self.network.get_submodule(name).register_forward_hook(keep)

        handles = [collect(name) for name in names]
        try:
            self.network(images)
        finally:
            for handle in handles:
                handle.remove()
        return [found[name] for name in names]

    def find_levels(self) -> tuple[str, ...]:
        """Finds the names of the modules of `levels`, once."""
        if self._levels is None:
            self._levels = tuple(unit.name for unit in self.levels())
        return self._levels

    def remove_head(self) -> None:
        """Removes what serves classification only; then only `features` can be used."""
        levels = self.levels()
        self._levels = tuple(unit.name for unit in levels)
        remove_after(self.network, max(levels, key=lambda unit: unit.order), self.spec.in_channels, self._map_size())

    def _map_size(self) -> int:
        fixed = hasattr(self.network, "image_size") or hasattr(self.network, "patch_embed")
        return self.spec.image_size if fixed else _MAP_SIZE


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
