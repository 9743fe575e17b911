"""Data-parallel training by the members of torch's process group.

Each member draws the random numbers of the whole batch and takes its part of the images, so that several workers see
the same images as one would. Without a process group there is a single member, and these functions do nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from nas.models.normalization import BatchNorm
from nas.models.sync_norm import synchronized


@dataclass(frozen=True, slots=True)
class Members:
    """Members of the process group: the number of this process, from 0, and the number of processes."""

    rank: int = 0
    count: int = 1

    @property
    def part(self) -> slice:
        """Selects this member's images of a batch."""
        return slice(self.rank, None, self.count)

    def check_batch(self, batch_size: int, accumulate: int = 1) -> None:
        """Raises ValueError unless the batch can be divided evenly, as averaging the gradients requires."""
        if batch_size % self.count:
            raise ValueError(f"batch_size must be divisible by the number of workers, {self.count}, got {batch_size}")
        if batch_size // self.count % accumulate:
            raise ValueError(
                f"a worker's part of batch_size, {batch_size // self.count}, must be divisible by accumulate, "
                f"got {accumulate}"
            )


def current_members() -> Members:
    """Returns the members of the current process group; one member without a group."""
    if distributed.is_available() and distributed.is_initialized():
        return Members(distributed.get_rank(), distributed.get_world_size())
    return Members()


def distribute(network: nn.Module, device: torch.device, members: Members) -> Callable[..., Tensor]:
    """Averages the gradients of a network over all members; returns the network itself for a single one."""
    if members.count == 1:
        return network
    # Some cells have layers without readers, whose gradients would be waited for.
    parallel: Callable[..., Tensor] = DistributedDataParallel(
        network, device_ids=[device] if device.type == "cuda" else None, find_unused_parameters=True
    )
    return parallel


def exchanging(forward: Callable[..., Tensor], *, now: bool) -> AbstractContextManager[object]:
    """Returns the context of a forward and backward pass, after which gradients are averaged over members or kept."""
    return nullcontext() if now or not isinstance(forward, DistributedDataParallel) else forward.no_sync()


def sum_over_members(values: Tensor) -> Tensor:
    """Sums a tensor over all members, in place."""
    if current_members().count > 1:
        distributed.all_reduce(values)
    return values


def share_buffers(network: nn.Module) -> None:
    """Copies the buffers (running statistics) of the first member to all others."""
    if current_members().count > 1:
        for buffer in network.buffers():
            distributed.broadcast(buffer, 0)


def synchronize_norms(network: nn.Module, device: torch.device, *, everywhere: bool) -> None:
    """Replaces `SyncBatchNorm` layers, in place, by norms of the device synchronized over all members.

    With `everywhere`, plain batch normalization is replaced as well.
    """
    replaced = (nn.SyncBatchNorm, BatchNorm) if everywhere else (nn.SyncBatchNorm,)
    for name, child in network.named_children():
        if isinstance(child, nn.SyncBatchNorm | BatchNorm):
            if type(child) in replaced:
                setattr(network, name, synchronized(child, device))
        else:
            synchronize_norms(child, device, everywhere=everywhere)


def gather_texts(text: str) -> list[str]:
    """Returns the texts of all members in order, on every member."""
    texts = [text] * current_members().count
    if len(texts) > 1:
        distributed.all_gather_object(texts, text)
    return texts
