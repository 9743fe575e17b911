"""Replaces the norms of an existing network by frozen, group or synchronized batch normalization.

Detectors train on few images per step, whose batch statistics are poor, and therefore freeze them or use another
normalization (Rethinking ImageNet Pre-training, 1811.08883, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from nas.models.normalization import BatchNorm, InstanceNorm, NormSettings, group_norm
from nas.models.sync_norm import SyncBatchNorm

_BatchLike: TypeAlias = nn.BatchNorm2d | nn.SyncBatchNorm | FrozenBatchNorm2d
_Replaceable: TypeAlias = _BatchLike | nn.GroupNorm


def replace_norms(module: nn.Module, norm: str) -> nn.Module:
    """Replaces batch norms of every kind, and group norms, by norms of one kind.

    Instance norms are kept, since they are part of an architecture; of mixed norms such as IBN-Net's, the batch part is
    replaced. Scale, shift and, if the new norm has them, running statistics are kept.

    Args:
        module: modified in place.
        norm: a key of `REPLACEMENTS`.

    Returns:
        The module, or its replacement if it is a norm itself.

    Raises:
        ValueError: if the norm is unknown, or a group norm, which has no statistics, is to be frozen.
    """
    if norm not in REPLACEMENTS:
        raise ValueError(f"the norm must be among {', '.join(REPLACEMENTS)}, got {norm!r:.60}")
    return _replaced(module, REPLACEMENTS[norm])


def _replaced(module: nn.Module, build: Callable[[_Replaceable], nn.Module]) -> nn.Module:
    if isinstance(module, _Replaceable) and not isinstance(module, InstanceNorm):
        weight = _tensor(module, "weight")
        with torch.device("cpu" if weight is None else weight.device):
            return build(module).train(module.training)
    for name, child in list(module.named_children()):
        if (new := _replaced(child, build)) is not child:
            module.add_module(name, new)
    return module


def _frozen(old: _Replaceable) -> nn.Module:
    """Makes statistics, scale and shift constant."""
    if isinstance(old, nn.GroupNorm):
        raise ValueError("frozen batch norm needs the statistics of a batch norm, got a group norm")
    if isinstance(old, FrozenBatchNorm2d):
        return old
    new = FrozenBatchNorm2d(old.num_features, eps=old.eps)
    _copy_buffers(new, old, ("weight", "bias", "running_mean", "running_var"))
    return new


def _batch(old: _Replaceable) -> nn.Module:
    return old if type(old) is BatchNorm else _like(old, BatchNorm)


def _synchronized(old: _Replaceable) -> nn.Module:
    return old if type(old) is SyncBatchNorm else _like(old, SyncBatchNorm)


def _group(old: _Replaceable) -> nn.Module:
    if isinstance(old, nn.GroupNorm):
        return old
    new = group_norm(_num_channels(old), NormSettings(epsilon=old.eps))
    _take_affine(new, old)
    return new


def _like(old: _Replaceable, kind: type[BatchNorm]) -> BatchNorm:
    """Builds a batch norm of a kind, with the constants, parameters and statistics of the old norm."""
    momentum = old.momentum if isinstance(old, nn.BatchNorm2d | nn.SyncBatchNorm) else NormSettings().momentum
    new = kind(_num_channels(old), eps=old.eps, momentum=momentum)
    _take_affine(new, old)
    _copy_buffers(new, old, ("running_mean", "running_var", "num_batches_tracked"))
    return new


def _take_affine(new: nn.Module, old: nn.Module) -> None:
    """Shares the old norm's parameters; frozen values become new parameters."""
    for name in ("weight", "bias"):
        value = _tensor(old, name)
        if value is not None:
            setattr(new, name, value if isinstance(value, nn.Parameter) else nn.Parameter(value.clone()))


def _copy_buffers(new: nn.Module, old: nn.Module, names: Sequence[str]) -> None:
    for name in names:
        target, value = _tensor(new, name), _tensor(old, name)
        if target is not None and value is not None:
            target.copy_(value.detach())


def _tensor(norm: nn.Module, name: str) -> Tensor | None:
    """Returns a parameter or buffer of a norm, or None if it has none, as without scale and shift."""
    value = getattr(norm, name, None)
    return value if isinstance(value, Tensor) else None


def _num_channels(norm: _Replaceable) -> int:
    if isinstance(norm, nn.GroupNorm):
        return norm.num_channels
    if isinstance(norm, FrozenBatchNorm2d):
        return int(norm.get_buffer("weight").numel())
    return norm.num_features


REPLACEMENTS: Mapping[str, Callable[[_Replaceable], nn.Module]] = MappingProxyType(
    {"frozen_bn": _frozen, "bn": _batch, "gn": _group, "syncbn": _synchronized}
)
"""Replacement norms by name; each function builds one in place of another norm."""
