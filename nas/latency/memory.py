"""Peak memory of a network's evaluation, without running it."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.reference.descriptions import Buildable


def peak_memory_mib(architecture: Buildable, spec: NetworkSpec, *, batch: int = 1) -> float:
    """Peak memory in MiB of evaluating a batch: weights, images, and the tensors that are alive at the same time.

    It is counted on the meta device, without the working memory of kernels, so it is the same on every machine.
    """
    with torch.device("meta"):
        network = build(architecture, spec).eval()
        images = torch.empty(batch, spec.in_channels, spec.image_size, spec.image_size)
    with torch.no_grad(), _Allocations() as allocations:
        network(images)
    weights = sum(each.numel() * each.element_size() for each in _tensors(network))
    return float(weights + images.numel() * images.element_size() + allocations.peak) / 2**20


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    """Weights and statistics, without those of the auxiliary head, which evaluation does not need."""
    return [
        tensor
        for named in (network.named_parameters(), network.named_buffers())
        for name, tensor in named
        if not name.startswith("auxiliary_head")
    ]


class _Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the bytes of the storages that operations return, until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        known = {id_of(each) for each in pytree.tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)}
        for tensor in pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and (key := id_of(tensor)) not in known and key not in self._seen:
                self._take(tensor.untyped_storage(), key)
        return result

    def _take(self, storage: torch.UntypedStorage, key: int) -> None:
        size = storage.nbytes()
        self._seen.add(key)
        self._alive += size
        self.peak = max(self.peak, self._alive)
        weakref.finalize(storage, self._free, size, key)

    def _free(self, size: int, key: int) -> None:
        self._seen.discard(key)
        self._alive -= size


def id_of(tensor: torch.Tensor) -> int:
    """Identifies the storage of a tensor while it is alive."""
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001 - torch has no public name for it
