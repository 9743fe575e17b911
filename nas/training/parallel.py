"""Training by several processes that belong together: torch's process group, whoever has started it.

Every member draws what is random of a batch for all of it and takes its own part, so that two workers see the images
that one would see. Without a process group there is one member, and nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from nas.models.normalization import BatchNorm
from nas.models.sync_norm import synchronized


@dataclass(frozen=True, slots=True)
class Members:
    """Who computes beside this process.

    Attributes:
        rank: number of this process, from 0.
        count: of all of them.
    """

    rank: int = 0
    count: int = 1

    @property
    def part(self) -> slice:
        """Which of a batch's images are this member's."""
        return slice(self.rank, None, self.count)

    def check_batch(self, batch_size: int) -> None:
        """Raises ValueError if a batch cannot be shared out evenly: members' gradients count alike."""
        if batch_size % self.count:
            raise ValueError(f"batch_size must be divisible by the number of workers, {self.count}, got {batch_size}")


def current_members() -> Members:
    """The process group as it is now; one member without one."""
    if distributed.is_available() and distributed.is_initialized():
        return Members(distributed.get_rank(), distributed.get_world_size())
    return Members()


def distribute(network: nn.Module, device: torch.device, members: Members) -> Callable[..., Tensor]:
    """Has the gradients of a network averaged over all members; alone, gives the network itself."""
    if members.count == 1:
        return network
    # Some cells have layers that nothing reads, whose gradients would be waited for.
    parallel: Callable[..., Tensor] = DistributedDataParallel(
        network, device_ids=[device] if device.type == "cuda" else None, find_unused_parameters=True
    )
    return parallel


def sum_over_members(values: Tensor) -> Tensor:
    """Adds up a tensor over all members, in place."""
    if current_members().count > 1:
        distributed.all_reduce(values)
    return values


def share_buffers(network: nn.Module) -> None:
    """Gives all members the running statistics of the first one."""
    if current_members().count > 1:
        for buffer in network.buffers():
            distributed.broadcast(buffer, 0)


def synchronize_norms(network: nn.Module, device: torch.device, *, everywhere: bool) -> None:
    """Has the norms of a network, in place, normalize over the batches of all members.

    Args:
        network: those of its norms that are synchronized are replaced by such as compute on the device.
        device: where it will be trained.
        everywhere: whether all its batch normalization is replaced, too.
    """
    replaced = (nn.SyncBatchNorm, BatchNorm) if everywhere else (nn.SyncBatchNorm,)
    for name, child in network.named_children():
        if isinstance(child, nn.SyncBatchNorm | BatchNorm):
            if type(child) in replaced:
                setattr(network, name, synchronized(child, device))
        else:
            synchronize_norms(child, device, everywhere=everywhere)


def gather_texts(text: str) -> list[str]:
    """The texts of all members, in their order, for all of them; of one member, its own."""
    members = current_members()
    if members.count == 1:
        return [text]
    device = torch.device("cuda", torch.cuda.current_device()) if distributed.get_backend() == "nccl" else "cpu"
    content = torch.frombuffer(bytearray(text.encode() + b"\n"), dtype=torch.uint8).to(device)
    sizes = [torch.zeros((), dtype=torch.int64, device=device) for _ in range(members.count)]
    distributed.all_gather(sizes, torch.tensor(len(content), device=device))
    longest = int(max(sizes))
    gathered = [torch.zeros(longest, dtype=torch.uint8, device=device) for _ in range(members.count)]
    distributed.all_gather(gathered, torch.nn.functional.pad(content, (0, longest - len(content))))
    return [each[: int(size) - 1].cpu().numpy().tobytes().decode() for each, size in zip(gathered, sizes, strict=True)]
