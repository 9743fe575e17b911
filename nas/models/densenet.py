"""DenseNets as baselines: torchvision's (1608.06993), with IBN-Net's norms (1807.09441).

With ``ibn-a``, the first norm of every third dense layer of the first three blocks is mixed: batch normalization of the
first channels, and instance normalization of the rest, which is `NetworkSpec.dense_instance_ratio` of them (the
authors' code).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from nas.fidelity import NetworkSpec
from nas.models.classifier_norm import instance_placement
from nas.models.normalization import InstanceNorm, NormSettings, batch_norm, instance_norm
from nas.models.reference.names import DenseNetForm

_MIXED_BLOCKS = 3
_MIXED_STEP = 3


class BatchInstanceNorm(nn.Module):
    """Batch normalization of the first channels, instance normalization of the rest, whose number is rounded up."""

    def __init__(self, num_channels: int, settings: NormSettings) -> None:
        super().__init__()
        num_batch = int(num_channels * (1 - settings.instance_ratio))
        self.split = (num_batch, num_channels - num_batch)
        self.batch = batch_norm(num_batch, settings)
        self.instance = InstanceNorm(num_channels - num_batch, settings.epsilon)

    def forward(self, images: Tensor) -> Tensor:
        """Normalizes (N, C, H, W)."""
        first, rest = torch.split(images, list(self.split), dim=1)
        return torch.cat((self.batch(first), self.instance(rest)), dim=1)


def batch_instance_norm(num_channels: int, settings: NormSettings) -> nn.Module:
    """Builds `BatchInstanceNorm`, or plain batch or instance normalization if the other part has no channels."""
    num_batch = int(num_channels * (1 - settings.instance_ratio))
    if num_batch == num_channels:
        return batch_norm(num_channels, settings)
    return instance_norm(num_channels, settings) if num_batch == 0 else BatchInstanceNorm(num_channels, settings)


def build_densenet(form: DenseNetForm, spec: NetworkSpec, *, name: str) -> nn.Module:
    """Builds a DenseNet of torchvision with the settings of a spec, as far as they apply.

    With the stem ``cifar``, a 3x3 convolution of stride 1 replaces stem and pooling. `name` is for errors.

    Raises:
        ValueError: if the settings ask for another placement of instance normalization than IBN-Net's a.
    """
    placement = instance_placement(spec, form.placement, name=name)
    if placement not in {None, "a"}:
        raise ValueError(f"network.norm must not be {spec.norm} for {name}: DenseNets have ibn_a only")
    network: Any = get_model(f"densenet{form.dense_depth}", weights=None, num_classes=spec.num_classes)
    _set_stem(network.features, spec)
    settings = NormSettings(spec.norm_epsilon, spec.norm_momentum, spec.dense_instance_ratio)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eps, norm.momentum = settings.epsilon, settings.momentum
    if placement is not None:
        _mix_norms(network, settings, _MIXED_BLOCKS if spec.appearance_stages is None else spec.appearance_stages)
    if spec.dropout > 0:
        network.classifier = nn.Sequential(nn.Dropout(spec.dropout), network.classifier)
    return network  # type: ignore[no-any-return]


def _set_stem(layers: Any, spec: NetworkSpec) -> None:  # noqa: ANN401 - torchvision's
    if spec.stem == "imagenet" and spec.in_channels == 3:
        return
    size, stride = (7, 2) if spec.stem == "imagenet" else (3, 1)
    stem = nn.Conv2d(spec.in_channels, layers.conv0.out_channels, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(stem.weight)
    layers.conv0 = stem
    if spec.stem == "cifar":
        layers.pool0 = nn.Identity()


def _mix_norms(network: Any, settings: NormSettings, num_blocks: int) -> None:  # noqa: ANN401 - torchvision's
    blocks = [each for name, each in network.features.named_children() if name.startswith("denseblock")]
    for block in blocks[:num_blocks]:
        for layer in list(block.children())[::_MIXED_STEP]:
            layer.norm1 = batch_instance_norm(layer.norm1.num_features, settings)
