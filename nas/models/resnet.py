"""Residual networks as baselines: torchvision's ResNet, with IBN-Net's norms and the variants of Bag of Tricks.

`nas.models.reference.names` explains the names, `nas.models.reference.placement` where the norms are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import cast

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from nas.fidelity import NetworkSpec
from nas.models.classifier_norm import instance_placement
from nas.models.normalization import NormSettings, batch_norm, instance_batch_norm, instance_norm
from nas.models.reference.names import ReferenceNetwork, ResNetForm
from nas.models.reference.placement import AppearanceNorms, place_instance_norms
from nas.models.reference.squeeze import SqueezeBottleneck

_BLOCKS: Mapping[int, tuple[type[BasicBlock | Bottleneck], list[int]]] = MappingProxyType(
    {
        18: (BasicBlock, [2, 2, 2, 2]),
        34: (BasicBlock, [3, 4, 6, 3]),
        50: (Bottleneck, [3, 4, 6, 3]),
        101: (Bottleneck, [3, 4, 23, 3]),
        152: (Bottleneck, [3, 8, 36, 3]),
    }
)


class ResidualNetwork(TorchvisionResNet):
    """A residual network with the same settings as networks of cells, as far as they apply.

    Filters, repeats, stages, auxiliary head and drop path do not apply. With the stem ``cifar``, a 3x3 convolution of
    stride 1 replaces stem and pooling, as is usual for images of 32x32 pixels (1512.03385, section 4.2).
    """

    def __init__(self, reference: ReferenceNetwork, spec: NetworkSpec) -> None:
        form = reference.form
        if not isinstance(form, ResNetForm):
            raise ValueError(f"a residual network must be named, got {reference.name}")
        settings = NormSettings(spec.norm_epsilon, spec.norm_momentum, spec.instance_ratio)
        block, num_blocks = _BLOCKS[form.depth]
        super().__init__(
            SqueezeBottleneck if form.squeezes else block,
            num_blocks,
            spec.num_classes,
            groups=form.groups,
            width_per_group=form.width,
            norm_layer=partial(batch_norm, settings=settings),
        )
        self.architecture = reference
        self.auxiliary_head: nn.Module | None = None
        self.spec = spec
        self.dropout = nn.Dropout(spec.dropout)
        self.add_module("conv1", _build_stem(form.variant, spec, settings))
        if spec.stem == "cifar":
            self.add_module("maxpool", nn.Identity())
        if form.variant == "d":
            for stage in self.stages:
                _average_on_shortcut(stage)
        placement = instance_placement(spec, form.placement, name=reference.name)
        if placement is not None:
            mixed, instance = (partial(build, settings=settings) for build in (instance_batch_norm, instance_norm))
            place_instance_norms(self, placement, AppearanceNorms(mixed, instance), spec.appearance_stages)

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
