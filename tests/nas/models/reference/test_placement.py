"""Where instance normalization is placed, by variant, stages and share of channels."""

from dataclasses import replace

import pytest
import torch

from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.normalization import InstanceBatchNorm, InstanceNorm
from nas.models.reference.names import IMAGENET_FORM, ReferenceNetwork


def norms(name, spec=IMAGENET_FORM, kind=InstanceBatchNorm):
    with torch.device("meta"):
        network = build(ReferenceNetwork(name), spec)
    return [part for part, module in network.named_modules() if isinstance(module, kind)]


@pytest.mark.parametrize(
    ("placement", "num_norms", "first"),
    [
        ("a", 3 + 4 + 6, "layer1.0.bn1"),
        ("c", 3 + 4 + 6, "layer1.0.bn3"),
        ("d", 3, "bn1"),
        ("ad", 3 + 13, "bn1"),
        ("a2", 2 * 13, "layer1.0.bn1"),
    ],
)
def test_variants(placement, num_norms, first):
    found = norms(f"resnet50-ibn-{placement}")
    assert (len(found), found[0]) == (num_norms, first)
    assert not any(name.startswith("layer4") for name in found)


def test_b_and_d_normalize_the_stem_and_the_last_sum_of_two_stages():
    places = ["bn1", "layer1.2.norm", "layer2.3.norm"]
    assert norms("resnet50-ibn-b", kind=InstanceNorm) == places
    assert norms("resnet50-ibn-d") == places


def test_number_of_stages():
    for stages, num_norms in enumerate((0, 3, 7, 13, 16)):
        assert len(norms("resnet50-ibn-a", replace(IMAGENET_FORM, appearance_stages=stages))) == num_norms
    assert norms("resnet50-ibn-b", replace(IMAGENET_FORM, appearance_stages=0), InstanceNorm) == []
    assert len(norms("resnet50-ibn-b", replace(IMAGENET_FORM, appearance_stages=4), InstanceNorm)) == 5


def test_share_of_instance_normalization():
    for share, split in ((0.25, (16, 48)), (0.75, (48, 16))):
        network = build(ReferenceNetwork("resnet18-ibn-a"), NetworkSpec(instance_ratio=share))
        assert network.layer1[0].bn1.split == split
    assert norms("resnet18-ibn-a", replace(IMAGENET_FORM, instance_ratio=0.0)) == []
    whole = norms("resnet18-ibn-a", replace(IMAGENET_FORM, instance_ratio=1.0), InstanceNorm)
    assert len(whole) == 6


def test_basic_blocks_mix_the_last_norm_too():
    assert norms("resnet18-ibn-c")[0] == "layer1.0.bn2"


@pytest.mark.parametrize("placement", ["b", "c", "d", "ad", "a2"])
def test_variants_train(placement):
    network = build(ReferenceNetwork(f"resnet18-ibn-{placement}"), NetworkSpec(num_classes=3)).train()
    network(torch.randn(2, 3, 16, 16)).logsumexp(1).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
