"""Normalization of feature maps; each line of `NORMALIZATIONS` is one choice of a search space.

A choice says how the first and the other norms of an operation are built, and whether another norm follows the
combination of a block. This covers IBN-Net's placements (1807.09441): `ibn_a` mixes instance and batch normalization
early in an operation, `ibn_b` puts instance normalization after the combination.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.plugins import Table

MAX_GROUPS = 32


@dataclass(frozen=True, slots=True)
class NormSettings:
    """Constants of normalization; see `nas.fidelity.NetworkSpec`."""

    epsilon: float = 1e-5
    momentum: float = 0.1
    instance_ratio: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.instance_ratio <= 1:
            raise ValueError(f"instance_ratio must be between 0 and 1, got {self.instance_ratio}")


class BatchNorm(nn.BatchNorm2d):
    """Batch normalization that also supports batches with a single value per channel.

    A single value has no variance, so such a batch is normalized by the running statistics, without updating them.
    Without running statistics, see `use_batch_statistics`, its result is the shift.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalizes (N, C, H, W) over N, H and W."""
        statistics = self.running_mean, self.running_var
        use_batch = self.training or self.running_mean is None
        return normalize_batch(input, statistics, (self.weight, self.bias), (self.momentum or 0.0, self.eps), use_batch)


@torch.fx.wrap
def normalize_batch(
    images: Tensor,
    statistics: tuple[Tensor | None, Tensor | None],
    affine: tuple[Tensor, Tensor],
    constants: tuple[float, float],
    use_batch: bool,
) -> Tensor:
    """Normalizes (N, C, H, W) as `BatchNorm` says, with scale and shift, and momentum and epsilon."""
    has_variance = images.size(0) * images.size(2) * images.size(3) > 1
    if statistics[0] is None and not has_variance:
        return torch.zeros_like(images) + affine[1].view(-1, 1, 1)
    return F.batch_norm(images, *statistics, *affine, use_batch and has_variance, *constants)


def use_batch_statistics(network: nn.Module) -> None:
    """Makes batch normalization use the statistics of each batch in evaluation too, for good."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - it has no public name
            module.running_mean = module.running_var = None


class GroupNorm(nn.GroupNorm):
    """Group normalization that also supports groups with a single value, to which only scale and shift are applied."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalizes (N, C, H, W) over H, W and the channels of each group."""
        return normalize_groups(input, self.num_groups, self.weight, self.bias, self.eps)


@torch.fx.wrap
def normalize_groups(images: Tensor, num_groups: int, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Normalizes (N, C, H, W) as `GroupNorm` says."""
    if images.size(1) // num_groups * images.size(2) * images.size(3) == 1:
        return torch.addcmul(bias.view(-1, 1, 1), images, weight.view(-1, 1, 1))
    return F.group_norm(images, num_groups, weight, bias, epsilon)


class InstanceNorm(GroupNorm):
    """Instance normalization with scale and shift: group normalization with one channel per group.

    Unlike torch's instance normalization, it keeps channels last.
    """

    def __init__(self, num_channels: int, eps: float = 1e-5) -> None:
        super().__init__(num_channels, num_channels, eps)


class InstanceBatchNorm(nn.Module):
    """Instance normalization of the first channels, batch normalization of the rest (IBN-Net, 1807.09441, section 3).

    The number of instance-normalized channels is rounded down.
    """

    def __init__(self, num_channels: int, settings: NormSettings) -> None:
        super().__init__()
        num_instance = int(num_channels * settings.instance_ratio)
        self.split = (num_instance, num_channels - num_instance)
        self.instance = InstanceNorm(num_instance, settings.epsilon)
        self.batch = batch_norm(num_channels - num_instance, settings)

    def forward(self, images: Tensor) -> Tensor:
        """Normalizes (N, C, H, W)."""
        first, rest = torch.split(images, list(self.split), dim=1)
        return torch.cat((self.instance(first), self.batch(rest)), dim=1)


NormBuilder: TypeAlias = Callable[[int, NormSettings], nn.Module]
"""Builds a norm for a number of channels."""


def batch_norm(num_channels: int, settings: NormSettings) -> nn.Module:
    """Builds batch normalization."""
    return BatchNorm(num_channels, eps=settings.epsilon, momentum=settings.momentum)


def instance_norm(num_channels: int, settings: NormSettings) -> nn.Module:
    """Builds instance normalization."""
    return InstanceNorm(num_channels, settings.epsilon)


def instance_batch_norm(num_channels: int, settings: NormSettings) -> nn.Module:
    """Builds `InstanceBatchNorm`, or plain instance or batch normalization if the other part has no channels."""
    num_instance = int(num_channels * settings.instance_ratio)
    if num_instance == 0:
        return batch_norm(num_channels, settings)
    if num_instance == num_channels:
        return instance_norm(num_channels, settings)
    return InstanceBatchNorm(num_channels, settings)


def group_norm(num_channels: int, settings: NormSettings) -> nn.Module:
    """Builds group normalization with `num_groups(num_channels)` groups."""
    return GroupNorm(num_groups(num_channels), num_channels, settings.epsilon)


def num_groups(num_channels: int) -> int:
    """Returns the largest divisor of the channels up to 32 that leaves two or more per group, unlike instance norm."""
    most = max(1, min(MAX_GROUPS, num_channels // 2))
    return next(number for number in range(most, 0, -1) if num_channels % number == 0)


def synchronized_batch_norm(num_channels: int, settings: NormSettings) -> nn.Module:
    """Builds batch normalization over all members of the process group; for one member, plain batch normalization."""
    if num_members() > 1:
        return nn.SyncBatchNorm(num_channels, eps=settings.epsilon, momentum=settings.momentum)
    return batch_norm(num_channels, settings)


def num_members() -> int:
    """Returns the size of the process group; 1 without one."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if distributed else 1


def no_norm(num_channels: int, settings: NormSettings) -> nn.Module:  # noqa: ARG001 - a NormBuilder
    """Builds nothing."""
    return nn.Identity()


@dataclass(frozen=True, slots=True)
class Normalization:
    """A choice of normalization for a block.

    Attributes:
        first: builds the first norm of an operation.
        rest: builds the other norms of the operation.
        after: builds a norm that follows the combination of the two operations; None for no norm.
        appearance: whether it removes the appearance of single images. Such norms are used in the first
            `Architecture.appearance_stages` stages only; batch normalization replaces them in deeper ones.

    Example:
        >>> import nas
        >>> nas.NORMALIZATIONS["ibn_a"].appearance
        True
    """

    first: NormBuilder
    rest: NormBuilder
    after: NormBuilder | None = None
    appearance: bool = False


def _from_outside(value: Any) -> Normalization:  # noqa: ANN401 - any object
    if isinstance(value, Normalization):
        return value
    if not callable(value):
        raise ValueError(f"a norm must be a function of channels and NormSettings, got {value!r:.100}")
    return Normalization(value, value)


NORMALIZATIONS = Table(
    "norm",
    {
        "bn": Normalization(batch_norm, batch_norm),
        "in": Normalization(instance_norm, instance_norm, appearance=True),
        "ibn": Normalization(instance_batch_norm, instance_batch_norm, appearance=True),
        "ibn_a": Normalization(instance_batch_norm, batch_norm, appearance=True),
        "ibn_b": Normalization(batch_norm, batch_norm, after=instance_norm, appearance=True),
        "gn": Normalization(group_norm, group_norm),
        "syncbn": Normalization(synchronized_batch_norm, synchronized_batch_norm),
        "none": Normalization(no_norm, no_norm),
    },
    _from_outside,
)
"""All normalizations by name; a name such as ``package.module:name`` finds one from outside, see `nas.plugins`.

Example:
    >>> import nas
    >>> [*nas.NORMALIZATIONS][:3]
    ['bn', 'in', 'ibn']
"""


class OperationNorms:
    """Builds the norms of one operation in the order in which the operation asks for them."""

    def __init__(self, normalization: Normalization, settings: NormSettings) -> None:
        self._next = normalization.first
        self._rest = normalization.rest
        self._settings = settings

    def build(self, num_channels: int) -> nn.Module:
        """Builds the next norm of the operation."""
        build, self._next = self._next, self._rest
        return build(num_channels, self._settings)
