"""Residual networks as baselines: torchvision's ResNet, with IBN-Net's norms and the variants of Bag of Tricks.

Names are, for example, ``resnet50``, ``resnet50-ibn-a``, ``resnet50-d`` or ``resnet50-d-ibn-b``:

- ``ibn-a``: in all stages but the last, the norm after the first convolution of each residual branch mixes instance and
  batch normalization. ``ibn-b``: instance normalization after the stem's convolution, and after the addition in the
  last block of each of the first two stages (IBN-Net, 1807.09441, section 3.2, and its authors' code).
- ``b``: stride in the 3x3 convolution, which is torchvision's default. ``c``: three 3x3 convolutions instead of the
  stem's 7x7. ``d``: c, and average pooling before the projection of the shortcut (Bag of Tricks, 1812.01187, section
  4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from nas.architecture import fingerprint_json
from nas.fidelity import NetworkSpec
from nas.models.normalization import BatchNorm, NormSettings, batch_norm, instance_batch_norm, instance_norm

_BLOCKS: Mapping[int, tuple[type[BasicBlock | Bottleneck], list[int]]] = MappingProxyType(
    {
        18: (BasicBlock, [2, 2, 2, 2]),
        34: (BasicBlock, [3, 4, 6, 3]),
        50: (Bottleneck, [3, 4, 6, 3]),
        101: (Bottleneck, [3, 4, 23, 3]),
    }
)
REFERENCE_NETWORKS: Mapping[str, tuple[int, str, str | None]] = MappingProxyType(
    {
        f"resnet{depth}{variant}{placement}": (depth, variant[-1:] or "b", placement[-1:] or None)
        for depth in _BLOCKS
        for variant in ("", "-b", "-c", "-d")
        for placement in ("", "-ibn-a", "-ibn-b")
    }
)
"""Depth, variant of Bag of Tricks and placement of instance normalization of all reference networks by name."""

IMAGENET_FORM = NetworkSpec(num_classes=1000, image_size=224, stem="imagenet")
"""The form in which these networks are published (1512.03385, section 4.1)."""


@dataclass(frozen=True, slots=True)
class ReferenceNetwork:
    """Describes a reference network by a name of `REFERENCE_NETWORKS`; a trial can hold it like an architecture."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in tuple(REFERENCE_NETWORKS):  # a tuple, since a name from JSON may be of any type
            raise ValueError(
                "a reference network must be resnet18, resnet34, resnet50 or resnet101, then -b, -c, -d or nothing, "
                f"then -ibn-a, -ibn-b or nothing, got {self.name!r:.100}"
            )

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal if and only if the networks are: ``resnet50-b`` equals ``resnet50``."""
        depth, variant, placement = REFERENCE_NETWORKS[self.name]
        return fingerprint_json({"depth": depth, "variant": variant, "placement": placement})

    def to_json(self) -> dict[str, str]:
        """Returns plain data for JSON."""
        return {"reference": self.name}

    @classmethod
    def from_json(cls, value: Any) -> ReferenceNetwork:  # noqa: ANN401 - any JSON value
        """Rebuilds a description; raises ValueError if the value does not describe a reference network."""
        if not isinstance(value, dict) or set(value) != {"reference"}:
            raise ValueError(f"a reference network must be an object with reference, got {value!r:.100}")
        return cls(value["reference"])


class ResidualNetwork(TorchvisionResNet):
    """A residual network with the same settings as networks of cells, as far as they apply.

    Filters, repeats, stages, auxiliary head and drop path do not apply. With the stem ``cifar``, a 3x3 convolution of
    stride 1 replaces stem and pooling, as is usual for images of 32x32 pixels (1512.03385, section 4.2).
    """

    def __init__(self, reference: ReferenceNetwork, spec: NetworkSpec) -> None:
        settings = NormSettings(spec.norm_epsilon, spec.norm_momentum, spec.instance_ratio)
        depth, variant, placement = REFERENCE_NETWORKS[reference.name]
        block, num_blocks = _BLOCKS[depth]
        super().__init__(block, num_blocks, spec.num_classes, norm_layer=partial(batch_norm, settings=settings))
        self.architecture = reference
        self.auxiliary_head: nn.Module | None = None
        self.spec = spec
        self.dropout = nn.Dropout(spec.dropout)
        self.add_module("conv1", _build_stem(variant, spec, settings))
        if spec.stem == "cifar":
            self.add_module("maxpool", nn.Identity())
        if variant == "d":
            for stage in self.stages:
                _average_on_shortcut(stage)
        if placement is not None:
            self._place_instance_norms(placement, settings)

    @property
    def stages(self) -> tuple[nn.Sequential, ...]:
        """The four stages, each a sequence of residual blocks."""
        return self.layer1, self.layer2, self.layer3, self.layer4

    @property
    def parts(self) -> dict[str, list[nn.Module]]:
        """The modules of each stage by name, from stem to classifier."""
        stages: dict[str, list[nn.Module]] = {f"stage {i}": [stage] for i, stage in enumerate(self.stages, start=1)}
        return {"stem": [self.conv1, self.bn1], **stages, "classifier": [self.fc]}

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits of shape (N, classes) for images of shape (N, C, H, W)."""
        pooled: Tensor = self.avgpool(self.features(x)[-1])
        logits: Tensor = self.fc(self.dropout(pooled.flatten(1)))
        return logits

    def features(self, images: Tensor) -> list[Tensor]:
        """Returns the outputs of the four stages, for images of shape (N, C, H, W)."""
        state = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        outputs = []
        for stage in self.stages:
            state = stage(state)
            outputs.append(state)
        return outputs

    def set_progress(self, fraction: float) -> None:
        """Does nothing, since there is no drop path."""

    def _place_instance_norms(self, placement: str, settings: NormSettings) -> None:
        if placement == "a":
            for block in chain(*self.stages[:-1]):
                block.bn1 = instance_batch_norm(cast("BatchNorm", block.bn1).num_features, settings)
        else:
            self.bn1 = instance_norm(cast("BatchNorm", self.bn1).num_features, settings)
            for stage in self.stages[:2]:
                stage[-1] = NormalizedSum(cast("Bottleneck", stage[-1]), settings)


class NormalizedSum(nn.Module):
    """A residual block of torchvision with instance normalization between the addition and the last ReLU."""

    def __init__(self, block: BasicBlock | Bottleneck, settings: NormSettings) -> None:
        super().__init__()
        self.block = block
        last: nn.Conv2d = block.conv3 if isinstance(block, Bottleneck) else block.conv2
        self.norm = instance_norm(last.out_channels, settings)

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, C, H, W) to the output of the block, normalized one instance at a time."""
        block = self.block
        branch = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(images)))))
        if isinstance(block, Bottleneck):
            branch = block.bn3(block.conv3(block.relu(branch)))
        shortcut = images if block.downsample is None else block.downsample(images)
        return torch.relu(self.norm(branch + shortcut))


def _build_stem(variant: str, spec: NetworkSpec, settings: NormSettings) -> nn.Module:
    """Builds the convolutions before the first norm."""
    stride = 1 if spec.stem == "cifar" else 2
    if variant == "b":
        return _convolution(spec.in_channels, 64, stride=stride, size=3 if spec.stem == "cifar" else 7)
    first = _convolution(spec.in_channels, 32, stride=stride), batch_norm(32, settings), nn.ReLU()
    second = _convolution(32, 32), batch_norm(32, settings), nn.ReLU()
    return nn.Sequential(*first, *second, _convolution(32, 64))


def _average_on_shortcut(stage: nn.Sequential) -> None:
    """Averages before the strided projection of a stage's first shortcut, which would skip three of four pixels."""
    block = cast("Bottleneck", stage[0])
    if not isinstance(block.downsample, nn.Sequential):
        return
    old, norm = cast("tuple[nn.Conv2d, nn.Module]", tuple(block.downsample))
    if old.stride == (1, 1):
        return
    pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
    block.downsample = nn.Sequential(pool, _convolution(old.in_channels, old.out_channels, size=1), norm)


def _convolution(num_in: int, num_out: int, *, stride: int = 1, size: int = 3) -> nn.Conv2d:
    """Builds a convolution without bias, with the initial weights of torchvision's ResNet."""
    convolution = nn.Conv2d(num_in, num_out, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution
