"""DenseNets with IBN-Net's norms."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.densenet import BatchInstanceNorm, batch_instance_norm
from nas.models.normalization import InstanceNorm, NormSettings
from nas.models.reference.names import IMAGENET_FORM, ReferenceNetwork


def meta(name, spec=IMAGENET_FORM):
    with torch.device("meta"):
        return build(ReferenceNetwork(name), spec)


def mixed(network):
    return [name for name, part in network.named_modules() if isinstance(part, BatchInstanceNorm)]


def test_every_third_layer_of_three_blocks_is_mixed():
    names = mixed(meta("densenet121-ibn-a"))
    assert len(names) == 2 + 4 + 8
    assert names[:3] == [
        f"network.features.denseblock{block}.denselayer{layer}.norm1" for block, layer in ((1, 1), (1, 4), (2, 1))
    ]
    assert len(mixed(meta("densenet121", replace(IMAGENET_FORM, norm="ibn_a")))) == 14
    assert len(mixed(meta("densenet121-ibn-a", replace(IMAGENET_FORM, appearance_stages=4)))) == 14 + 6
    assert mixed(meta("densenet121")) == []


def test_forty_percent_of_the_channels_are_instance_normalized():
    network = meta("densenet121-ibn-a")
    assert network.network.features.denseblock1.denselayer1.norm1.split == (38, 26)  # 64 channels
    assert isinstance(batch_instance_norm(8, NormSettings(instance_ratio=1.0)), InstanceNorm)
    assert isinstance(batch_instance_norm(8, NormSettings(instance_ratio=0.0)), nn.BatchNorm2d)


def test_batch_normalization_comes_first():
    norm = batch_instance_norm(5, NormSettings(instance_ratio=0.4)).eval()
    images = torch.randn(2, 5, 4, 4) * 3 + 1
    result = norm(images)
    torch.testing.assert_close(result[:, :3], images[:, :3], rtol=1e-4, atol=1e-4)  # statistics 0 and 1
    assert result[:, 3:].mean((2, 3)).abs().max() < 1e-5


def test_small_images_and_settings():
    spec = NetworkSpec(num_classes=3, in_channels=1, dropout=0.5, norm_epsilon=0.01)
    network = build(ReferenceNetwork("densenet121-ibn-a"), spec).train()
    assert network.network.features.conv0.stride == (1, 1)
    assert network.network.features.norm0.eps == 0.01
    assert network(torch.randn(2, 1, 16, 16)).shape == (2, 3)
    assert network.classifier == "network.classifier.1"


def test_other_placements_are_refused():
    with pytest.raises(ValueError, match=r"network\.norm must not be ibn_b for densenet121"):
        meta("densenet121", replace(IMAGENET_FORM, norm="ibn_b"))
