"""Reference networks: counts of IBN-Net's and the Bag of Tricks' variants, and that they behave like any network."""

import pytest
import torch
from torch import nn

from nas.fidelity import NetworkSpec
from nas.models.normalization import InstanceBatchNorm, InstanceNorm
from nas.models.reference.names import ReferenceNetwork
from nas.models.resnet import ResidualNetwork

IMAGENET = NetworkSpec(num_classes=1000, image_size=224, stem="imagenet")
SMALL = NetworkSpec(num_classes=7, image_size=16, in_channels=1)


def build(name, spec=IMAGENET, device="meta"):
    with torch.device(device):
        return ResidualNetwork(ReferenceNetwork(name), spec)


def num_parameters(network):
    return sum(weight.numel() for weight in network.parameters())


def multiply_adds(network, size):
    """Counted by torch itself, which knows convolutions and products of matrices."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("name", "count", "num_instance_norms"),
    [
        ("resnet50", 25_557_032, 0),
        ("resnet50-b", 25_557_032, 0),
        ("resnet50-ibn-a", 25_557_032, 13),
        ("resnet50-ibn-b", 25_558_568, 3),
        ("resnet18", 11_689_512, 0),
        ("resnet18-ibn-a", 11_689_512, 6),
        ("resnet18-ibn-b", 11_689_896, 3),
        ("resnet34", 21_797_672, 0),
        ("resnet101", 44_549_160, 0),
        ("resnet101-ibn-a", 44_549_160, 30),
        ("resnet50-c", 25_576_264, 0),
        ("resnet50-d", 25_576_264, 0),
    ],
)
def test_published_counts(name, count, num_instance_norms):
    network = build(name)
    assert num_parameters(network) == count
    assert sum(isinstance(module, InstanceNorm) for module in network.modules()) == num_instance_norms


@pytest.mark.parametrize("name", ["resnet50", "resnet50-ibn-a", "resnet50-ibn-b"])
def test_norms_cost_no_multiply_adds(name):
    assert multiply_adds(build(name), 224) == 4_089_184_256


def test_the_plain_network_is_torchvisions():
    import torchvision

    ours = build("resnet50", device="cpu")
    theirs = torchvision.models.resnet50()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))


def test_instance_norms_stand_where_the_paper_puts_them():
    mixed = [name for name, part in build("resnet50-ibn-a").named_modules() if isinstance(part, InstanceBatchNorm)]
    assert all(name.startswith(("layer1", "layer2", "layer3")) and name.endswith("bn1") for name in mixed)
    assert len(mixed) == 13
    whole = [name for name, part in build("resnet50-ibn-b").named_modules() if isinstance(part, InstanceNorm)]
    assert whole == ["bn1", "layer1.2.norm", "layer2.3.norm"]


def test_variant_d_averages_before_it_projects():
    shortcut = build("resnet50-d").layer2[0].downsample
    assert isinstance(shortcut[0], nn.AvgPool2d)
    assert shortcut[1].stride == (1, 1)
    assert build("resnet50-c").layer2[0].downsample[0].stride == (2, 2)


@pytest.mark.parametrize("name", ["resnet18", "resnet34-d-ibn-a", "resnet18-c-ibn-b", "resnet50-ibn-b"])
def test_trains_on_small_grey_images(name):
    network = build(name, SMALL, device="cpu").train()
    network.set_progress(0.5)
    images = torch.randn(3, 1, 16, 16)
    loss = network(images).logsumexp(1).sum()
    loss.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
    sizes = [tuple(state.shape[2:]) for state in network.eval().features(images)]
    assert sizes == [(16, 16), (8, 8), (4, 4), (2, 2)]
    together, alone = network(images), network(images[:1])
    assert together.shape == (3, 7)
    assert torch.allclose(together[:1], alone, atol=1e-5)


def test_settings_reach_the_network():
    spec = NetworkSpec(num_classes=3, dropout=0.25, norm_epsilon=0.01, norm_momentum=0.2, instance_ratio=0.25)
    network = build("resnet18-ibn-a", spec)
    assert network.dropout.p == 0.25
    assert (network.layer4[0].bn1.eps, network.layer4[0].bn1.momentum) == (0.01, 0.2)
    assert network.layer1[0].bn1.split == (16, 48)
    assert network.spec == spec
    assert network.architecture == ReferenceNetwork("resnet18-ibn-a")


def test_a_trial_can_hold_one():
    from nas.decisions import Rollout
    from nas.fidelity import Fidelity
    from nas.trial import Trial

    trial = Trial(0, Rollout((), 0.0), ReferenceNetwork("resnet18"), Fidelity(), 0)
    assert trial.architecture.fingerprint
    assert isinstance(ResidualNetwork(trial.architecture, trial.fidelity.network), ResidualNetwork)
