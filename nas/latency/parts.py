"""The parts of a network whose latencies add up to its own: layers, and the operators between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map, tree_map_only
from torch.utils.hooks import RemovableHandle

from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.cell import Matching
from nas.models.operations import EdgeLayers
from nas.models.reference.descriptions import Buildable

_CONCATENATE = torch.ops.aten.cat.default


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a network.

    Attributes:
        module: what computes it, a module of one map or of features, on the meta device.
        shape: of its input.
        count: how often it occurs.
    """

    module: nn.Module
    shape: torch.Size
    count: int = 1


def parts_of(architecture: Buildable, spec: NetworkSpec, batch: int = 1) -> dict[str, Part]:
    """The parts of a network by name.

    The layers of an operation on an edge are one part, as are those that match a state to a shape, the stem and the
    classifier. All else that is computed is a part for each operator: rectified and pooled states, which operations
    share, additions, concatenations, and the norms after a block.
    """
    with torch.device("meta"):
        network = build(architecture, spec).eval()
        images = torch.empty(batch, spec.in_channels, spec.image_size, spec.image_size)
    recorder = _Recorder()
    for name, module in network.named_modules():
        if isinstance(module, EdgeLayers | Matching):
            recorder.watch(module.layers)
        elif name in ("stem", "classifier"):
            recorder.watch(module)
    with torch.no_grad(), recorder:
        network(images)
    recorder.end()
    return recorder.parts


class Operator(nn.Module):
    """A call of an operator as a module of its first map; its other tensors are buffers."""

    def __init__(self, operator: OpOverload, args: Sequence[Any], options: Mapping[str, Any]) -> None:
        super().__init__()
        self._operator, self._options = operator, options
        self._num_operands = 0
        self._args = tree_map_only(Tensor, self._keep, list(args))

    def forward(self, images: Tensor) -> Tensor:
        """Calls the operator with another first map."""
        operands = [images, *self.buffers()]
        args = tree_map(lambda each: operands[each.place] if isinstance(each, _Operand) else each, self._args)
        result = self._operator(*args, **self._options)
        found: Tensor = result if isinstance(result, Tensor) else result[0]
        return found

    def _keep(self, tensor: Tensor) -> _Operand:
        if self._num_operands:
            self.register_buffer(f"operand_{self._num_operands}", tensor)
        self._num_operands += 1
        return _Operand(self._num_operands - 1, tuple(tensor.shape))

    def extra_repr(self) -> str:
        """The operator and its arguments."""
        return f"{self._operator}, {self._args}, {dict(self._options)}"


@dataclass(frozen=True, slots=True)
class _Operand:
    """A tensor among the arguments of an operator."""

    place: int
    shape: tuple[int, ...]


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the layers that it watches as they are run, and the operators outside of them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parts: dict[str, Part] = {}
        self._within = False
        self._hooks: list[RemovableHandle] = []

    def watch(self, layers: nn.Module) -> None:
        """Takes layers as one part."""
        self._hooks += [layers.register_forward_pre_hook(self._enter), layers.register_forward_hook(self._leave)]

    def end(self) -> None:
        """Leaves the layers alone, which are run again to be timed."""
        for hook in self._hooks:
            hook.remove()

    def _enter(self, _layers: nn.Module, _inputs: tuple[Tensor]) -> None:
        self._within = True

    def _leave(self, layers: nn.Module, inputs: tuple[Tensor], _output: Tensor) -> None:
        self._within = False
        if not isinstance(layers, nn.Sequential) or len(layers):
            self._count(layers, inputs[0].shape)

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if func is _CONCATENATE:  # takes as long as one of two maps, whatever their number
            args = (result.chunk(2, dim=1), 1)
        tensors: list[Tensor] = []
        tree_map_only(Tensor, tensors.append, args)
        if tensors and not self._within and not func.is_view:
            self._count(Operator(func, args, kwargs or {}), tensors[0].shape)
        return result

    def _count(self, module: nn.Module, shape: torch.Size) -> None:
        name = f"{module!r} {tuple(shape)}".replace("\n", "")
        known = self.parts.get(name, Part(module, shape, 0))
        self.parts[name] = Part(known.module, shape, known.count + 1)
