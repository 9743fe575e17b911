"""Imports weights of reference networks: state dicts of torchvision, timm and IBN-Net's code.

Only names differ. In IBN-Net's code the parts of a mixed norm are ``IN`` and ``BN``, and ``IN`` is also the norm after
an addition; its files may have been written from several GPUs (``module.``) or before norms counted their batches.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from nas.models.checkpoint import check_finite
from nas.models.reference.placement import NormalizedSum
from nas.models.reference.wrapped import WrappedNetwork
from nas.models.resnet import ResidualNetwork

ReferenceModule: TypeAlias = ResidualNetwork | WrappedNetwork
"""Networks whose weights can be imported."""

_WRAPPED = "network."
_COUNTER = "num_batches_tracked"
_AUXILIARY = ("network.AuxLogits.", "network.aux1.", "network.aux2.")
"""Heads that serve training only, and that files of published weights have."""

_RENAMES = (
    (r"^module\.", ""),
    (r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2."),  # torchvision's and IBN-Net's first files
    (r"(bn1|norm1)\.IN\.", r"\1.instance."),
    (r"(bn1|norm1)\.BN\.", r"\1.batch."),
)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Reads tensors by name from a safetensors file, or from one of `torch.save` without running code that it holds.

    Raises:
        ValueError: if the file is missing, cannot be read or holds anything else, such as weights that are not finite.
    """
    if not path.is_file():
        raise ValueError(f"weights must be a file, got {path}")
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
            check_finite(path, tensors)
            return tensors
        with warnings.catch_warnings():  # about formats that it then refuses or reads
            warnings.simplefilter("ignore")
            value = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, OSError, EOFError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"weights must be a safetensors file, or a state dict of torch, got {path}: {first:.200}"
        ) from None
    value = value.get("state_dict", value) if isinstance(value, dict) else value
    if not isinstance(value, dict) or not all(isinstance(each, Tensor) for each in value.values()):
        raise ValueError(f"weights must be a state dict, tensors by name, got something else in {path}")
    tensors = {str(name): tensor for name, tensor in value.items()}
    check_finite(path, tensors)
    return tensors


def count_classes(state_dict: Mapping[str, Tensor], network: ReferenceModule) -> int:
    """Returns the classes of a state dict by the shape of its classifier; those of the network if it has none."""
    layer = network.classifier if isinstance(network, WrappedNetwork) else "fc"
    weight = rename(state_dict, network).get(f"{layer}.weight")
    return network.spec.num_classes if weight is None else len(weight)


def rename(state_dict: Mapping[str, Tensor], network: ReferenceModule) -> dict[str, Tensor]:
    """Names the tensors as the network does; raises ValueError if two have one name."""
    sums = [name for name, part in network.named_modules() if isinstance(part, NormalizedSum)]
    renamed: dict[str, Tensor] = {}
    for name, tensor in state_dict.items():
        if renamed.setdefault(new := _rename(name, network, sums), tensor) is not tensor:
            raise ValueError(f"the weights must have names of their own, got {_shown(new)} twice")
    return renamed


def load_reference(network: ReferenceModule, state_dict: Mapping[str, Tensor]) -> None:
    """Copies a state dict, with the names of its library or ours, to a network in place.

    Raises:
        ValueError: if a weight is missing, unknown, there twice, or of another shape or kind.
    """
    given, ours = rename(state_dict, network), network.state_dict()
    rule = f"the weights must be those of {network.architecture.name}"
    counters = {key for key in ours if key.endswith(_COUNTER)}
    if missing := [key for key in ours if key not in given and key not in counters]:
        raise ValueError(f"{rule}; {len(missing)} are missing, among them {_shown(missing[0])}")
    unknown = [key for key in given if key not in ours and not key.startswith(_AUXILIARY)]
    if unknown := [key for key in unknown if not key.endswith(_COUNTER)]:
        raise ValueError(f"{rule}; {len(unknown)} are unknown, among them {_shown(unknown[0])}")
    for key in ours:
        if key in given and given[key].shape != ours[key].shape:
            shapes = f"{tuple(ours[key].shape)}, got {tuple(given[key].shape)}"
            raise ValueError(f"{rule}; {_shown(key)} must be of shape {shapes}")
        if key in given and given[key].is_floating_point() != ours[key].is_floating_point():  # such as quantized ones
            raise ValueError(f"{rule}; {_shown(key)} must be of the kind {ours[key].dtype}, got {given[key].dtype}")
    network.load_state_dict({key: given.get(key, tensor) for key, tensor in ours.items()})


def _shown(key: str) -> str:
    """Returns the name of a weight in its library."""
    return key.removeprefix(_WRAPPED)


def _rename(name: str, network: ReferenceModule, sums: list[str]) -> str:
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    for each in sums:
        if name.startswith(f"{each}.IN."):
            return f"{each}.norm.{name.removeprefix(f'{each}.IN.')}"
        if name.startswith(f"{each}.") and not name.startswith((f"{each}.norm.", f"{each}.block.")):
            return f"{each}.block.{name.removeprefix(f'{each}.')}"
    if isinstance(network, WrappedNetwork) and not name.startswith(_WRAPPED):
        return f"{_WRAPPED}{name}"
    return name
