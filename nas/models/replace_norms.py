"""Replace the batch norms and group norms of a network by another norm, as detectors and segmenters need.

Detectors see few images a step, so the statistics of a batch are poor: they freeze them, or use another norm
(Rethinking ImageNet Pre-training, 1811.08883, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from nas.models.normalization import NORMALIZATIONS, InstanceNorm, NormBuilder, NormSettings
from nas.models.sync_norm import SyncBatchNorm

_BatchLike: TypeAlias = nn.BatchNorm2d | nn.SyncBatchNorm | FrozenBatchNorm2d
_Replaceable: TypeAlias = _BatchLike | nn.GroupNorm


def replace_norms(module: nn.Module, norm: str) -> nn.Module:
    """Replaces the batch norms and group norms of a module in place by a norm of `REPLACEMENTS`.

    Instance norms stay: they are part of an architecture, not a way to train it. Of mixed norms, such as IBN-Net's, the
    batch part is replaced. Scale, shift and running statistics are kept where the new norm has them. Returns the
    module, or its replacement if it is a norm itself.

    Raises:
        ValueError: if the norm is unknown, or it is ``frozen_bn`` and the module has a group norm.
    """
    return _replaced(module, REPLACEMENTS[check_norm(norm)])


def check_norm(norm: str) -> str:
    """Returns the name of a replacement norm; raises ValueError if it is not a key of `REPLACEMENTS`."""
    if norm not in REPLACEMENTS:
        raise ValueError(f"the norm must be among {', '.join(REPLACEMENTS)}, got {norm!r:.60}")
    return norm


def _replaced(module: nn.Module, build: Callable[[_Replaceable], nn.Module]) -> nn.Module:
    if isinstance(module, _Replaceable) and not isinstance(module, InstanceNorm):
        weight = _tensor(module, "weight")
        with torch.device("cpu" if weight is None else weight.device):
            return _with_activation(build(module), module).train(module.training)
    for name, child in list(module.named_children()):
        if (new := _replaced(child, build)) is not child:
            module.add_module(name, new)
    return module


def _with_activation(new: nn.Module, old: nn.Module) -> nn.Module:
    """Lets a norm apply the activation of the one that it replaces, as timm's norms do; names of weights are kept."""
    if new is not old and isinstance(getattr(old, "act", None), nn.Module):
        for name in ("drop", "act"):
            new.add_module(name, cast("nn.Module", getattr(old, name)))
        new.register_forward_hook(_activate)
    return new


def _activate(norm: nn.Module, _inputs: Any, output: Tensor) -> Any:  # noqa: ANN401 - torch's signature
    return norm.act(norm.drop(output))  # type: ignore[operator]


def _frozen(old: _Replaceable) -> nn.Module:
    """Makes statistics, scale and shift constant."""
    if isinstance(old, nn.GroupNorm):
        raise ValueError("frozen batch norm needs the statistics of a batch norm, got a group norm")
    if isinstance(old, FrozenBatchNorm2d):
        return old
    new = FrozenBatchNorm2d(old.num_features, eps=old.eps)
    _copy_buffers(new, old, ("weight", "bias", "running_mean", "running_var"))
    return new


def _rebuilt(build: NormBuilder, old: _Replaceable) -> nn.Module:
    momentum = getattr(old, "momentum", NormSettings().momentum)
    new = build(_num_channels(old), NormSettings(old.eps, momentum))
    if type(new) is type(old) or (isinstance(new, nn.GroupNorm) and isinstance(old, nn.GroupNorm)):
        return old
    for name in ("weight", "bias"):  # shared with the old norm, trained or not; frozen values become parameters
        value = _tensor(old, name)
        if value is not None and hasattr(new, name):
            setattr(new, name, value if isinstance(value, nn.Parameter) else nn.Parameter(value.clone()))
    _copy_buffers(new, old, ("running_mean", "running_var", "num_batches_tracked"))
    return new


def _copy_buffers(new: nn.Module, old: nn.Module, names: Sequence[str]) -> None:
    for name in names:
        target, value = _tensor(new, name), _tensor(old, name)
        if target is not None and value is not None:
            target.copy_(value.detach())


def _tensor(norm: nn.Module, name: str) -> Tensor | None:
    """Returns a parameter or buffer, or None without one."""
    value = getattr(norm, name, None)
    return value if isinstance(value, Tensor) else None


def _num_channels(norm: _Replaceable) -> int:
    if isinstance(norm, FrozenBatchNorm2d):
        return norm.get_buffer("weight").numel()
    return norm.num_channels if isinstance(norm, nn.GroupNorm) else norm.num_features


def _synchronized(num_channels: int, settings: NormSettings) -> nn.Module:
    """Unlike the table's builder, works on a CPU and before the process group exists."""
    return SyncBatchNorm(num_channels, eps=settings.epsilon, momentum=settings.momentum)


LAYER_NORMS: Mapping[str, NormBuilder] = MappingProxyType(
    {name: norm.rest for name, norm in NORMALIZATIONS.items() if not norm.appearance} | {"syncbn": _synchronized}
)
"""Builders of single norms: those of `NORMALIZATIONS` but the ones that an architecture places by stage."""

REPLACEMENTS: Mapping[str, Callable[[_Replaceable], nn.Module]] = MappingProxyType(
    {"frozen_bn": _frozen} | {name: partial(_rebuilt, build) for name, build in LAYER_NORMS.items()}
)
"""Norms that can replace others: `LAYER_NORMS`, and batch norms whose statistics, scale and shift are constants."""
