"""Finds the maps that a convolutional network of any library computes, from one run without data.

The network is divided into units, the largest modules that halve the map at most once. The last unit of each stride is
where detectors and segmenters read.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Unit:
    """A module of a network that computes a map.

    Attributes:
        name: of the module.
        channels: of its output.
        stride: of its output, in pixels of the image, as a power of 2.
        order: rank among the modules of the network, in the order in which they finish.
    """

    name: str
    channels: int
    stride: int
    order: int


@dataclass(frozen=True, slots=True)
class _Call:
    """The first call of a module: the sides of the maps that it read and computed, 0 for anything but a square map."""

    order: int
    before: int
    after: int
    channels: int
    has_weights: bool


def find_units(network: nn.Module, in_channels: int, image_size: int) -> tuple[Unit, ...]:
    """Finds the units of a network, in the order in which they run, without those of the classifier.

    Raises:
        ValueError: if the network cannot be run on images of this size.
    """
    calls = _trace(network, in_channels, image_size)
    last = max((call.order for call in calls.values() if call.has_weights), default=0)
    names = [name for name in _expand(network, "", calls) if calls[name].after > 1 and calls[name].order < last]
    return tuple(
        Unit(name, call.channels, 1 << round(math.log2(image_size / call.after)), call.order)
        for name, call in sorted(((name, calls[name]) for name in names), key=lambda pair: pair[1].order)
    )


def last_of_each_stride(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """Returns the last unit of each stride, from the finest to the coarsest."""
    ends = {unit.stride: unit for unit in units}
    return tuple(ends[stride] for stride in sorted(ends))


def remove_after(network: nn.Module, end: Unit, in_channels: int, image_size: int) -> None:
    """Replaces all modules with weights that run after a unit, or never, by the identity, in place."""
    calls = _trace(network, in_channels, image_size)
    kept = {name for name, call in calls.items() if call.has_weights and call.order <= end.order}
    _remove(network, "", kept)


def _remove(module: nn.Module, prefix: str, kept: set[str]) -> None:
    for name, child in list(module.named_children()):
        path = f"{prefix}{name}"
        if not any(each == path or each.startswith(f"{path}.") for each in kept):
            if any(True for _ in child.parameters()):
                module.add_module(name, nn.Identity())
        else:
            _remove(child, f"{path}.", kept)


def _expand(module: nn.Module, name: str, calls: dict[str, _Call]) -> Iterator[str]:
    """Yields a module if it halves its map at most once, else its children's units."""
    call = calls.get(name)
    if name and call is not None and call.after and _halvings(call) <= 1:
        yield name
        return
    for child, part in module.named_children():
        yield from _expand(part, f"{name}.{child}" if name else child, calls)


def _halvings(call: _Call) -> int:
    return round(math.log2(call.before / call.after)) if call.before else 0


@torch.no_grad()
def _trace(network: nn.Module, in_channels: int, image_size: int) -> dict[str, _Call]:
    """Runs a copy of the network without data, and returns the first call of each module by name."""
    copied = copy.deepcopy(network).to("meta").eval()
    calls: dict[str, _Call] = {}

    def watch(name: str, module: nn.Module) -> None:
        has_weights = any(True for _ in module.parameters(recurse=False))
        is_resized = isinstance(module, nn.AdaptiveAvgPool2d)  # to a size that does not depend on the image

        def record(_module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401 - torch's signature
            before, after = _side(inputs[0]) if inputs else 0, 0 if is_resized else _side(output)
            calls.setdefault(name, _Call(len(calls), before, after, output.shape[1] if after else 0, has_weights))

        module.register_forward_hook(record)

    for name, module in copied.named_modules():
        if name:
            watch(name, module)
    run(copied, torch.empty(1, in_channels, image_size, image_size, device="meta"))
    return calls


def run(network: nn.Module, images: Tensor) -> Any:  # noqa: ANN401 - what the network returns
    """Runs a network; raises ValueError if the images are too small for it, or of another size than it takes."""
    try:
        return network(images)
    except (RuntimeError, AssertionError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"images of {images.shape[-1]} pixels do not fit the network: {first:.200}") from None


def _side(value: Any) -> int:  # noqa: ANN401 - any input or output of a module
    is_map = isinstance(value, Tensor) and value.dim() == 4 and value.shape[2] == value.shape[3]
    return int(value.shape[2]) if is_map else 0
