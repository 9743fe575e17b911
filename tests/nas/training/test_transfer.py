import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.fidelity import NetworkSpec, TrainRecipe
from nas.models.checkpoint import Checkpoint
from nas.models.reference.names import ReferenceNetwork
from nas.training.initial import build_initial
from nas.training.transfer import (
    check_same_architecture,
    describe_transfer,
    transfer_spec,
    transfer_weights,
    weights_anew,
)

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
ARCHITECTURE = Architecture(CELL, CELL)


def build(seed=0, architecture=ARCHITECTURE, **settings):
    return build_initial(architecture, NetworkSpec(**{**SPEC_VALUES, **settings}), TrainRecipe(), seed=seed)


SPEC_VALUES = {"num_classes": 3, "image_size": 16, "num_filters": 4, "num_repeats": 1, "num_stages": 2}


def checkpoint(names=("a", "b", "c"), **settings):
    network = build(1, num_classes=len(names), **settings)
    return Checkpoint(network, (0.5,) * 3, (0.5,) * 3, names, 0.5)


def test_all_weights_are_taken_over_where_the_classes_are_the_same():
    network, source = build(), checkpoint()
    assert transfer_weights(network, source, ("a", "b", "c")) == ()
    theirs = source.network.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("names", [("a", "b", "d"), ("a", "b", "c", "d", "e")])
def test_the_classifier_starts_anew_where_they_are_not(names):
    network, source = build(num_classes=len(names)), checkpoint()
    fresh = network.classifier.weight.detach().clone()
    assert transfer_weights(network, source, names) == ("classifier.weight", "classifier.bias")
    assert torch.equal(network.classifier.weight, fresh)
    assert torch.equal(network.stem[0].weight, source.network.stem[0].weight)


@pytest.mark.parametrize("theirs", [True, False])
def test_an_auxiliary_head_that_does_not_fit_starts_anew(theirs):
    network, source = build(auxiliary=True, image_size=32), checkpoint(auxiliary=theirs)
    anew = transfer_weights(network, source, ("a", "b", "c"))
    assert "auxiliary_head.read.0.weight" in anew
    assert ("auxiliary_head.mix.0.weight" in anew) != theirs
    assert all(name.startswith("auxiliary_head.") for name in anew)


def test_the_auxiliary_classifier_goes_with_the_classifier():
    network, source = build(auxiliary=True), checkpoint(auxiliary=True)
    anew = transfer_weights(network, source, ("x", "y", "z"))
    assert [name for name in anew if name.startswith("auxiliary")] == [
        "auxiliary_head.classifier.weight",
        "auxiliary_head.classifier.bias",
    ]


def test_other_stacks_are_refused():
    with pytest.raises(ValueError, match=r"must have weights cells\..* of shape .*, got "):
        transfer_weights(build(num_filters=8), checkpoint(), ("a", "b", "c"))


def test_weights_of_another_architecture_are_refused():
    other = Cell((Block(Edge(0, "identity"), Edge(1, "sep_conv_3x3")),))
    check_same_architecture(checkpoint(), ARCHITECTURE, name="first.safetensors")
    with pytest.raises(ValueError, match=r"first.safetensors must hold weights of the architecture that is trained"):
        check_same_architecture(checkpoint(), Architecture(other, other), name="first.safetensors")


def test_the_network_is_the_checkpoints_for_other_images():
    spec = transfer_spec(checkpoint(), NetworkSpec(num_classes=7, image_size=32, num_filters=64, dropout=0.5))
    assert spec == NetworkSpec(**{**SPEC_VALUES, "num_classes": 7, "image_size": 32, "dropout": 0.5})


def test_reference_networks_transfer_too():
    network = build(architecture=ReferenceNetwork("resnet18"), num_classes=4, stem="cifar")
    source = Checkpoint(build(1, architecture=ReferenceNetwork("resnet18"), stem="cifar"), (), (), ("a", "b", "c"), 0.5)
    assert transfer_weights(network, source, "abcd") == ("fc.weight", "fc.bias")


def test_what_will_be_taken_over_is_told_without_doing_it():
    with torch.device("meta"):
        network = build(num_classes=5, auxiliary=True)
    names = ("a", "b", "c", "d", "e")
    head = sum(part.numel() for name, part in network.named_parameters() if name.startswith(("aux", "classifier")))
    total = sum(part.numel() for part in network.parameters())
    said = describe_transfer(network, checkpoint(), names)
    anew = weights_anew(network, checkpoint(), names)
    assert said.startswith(
        f"{total - head:,} of {total:,} parameters are taken over; new are classifier.weight, classif"
    )
    assert said.endswith(f" and {len(anew) - 4} more")
    assert network.classifier.weight.is_meta
    same = describe_transfer(build(), checkpoint(), ("a", "b", "c"))
    assert same.endswith(" parameters are taken over")


@pytest.mark.parametrize(("theirs", "ours"), [("bn", "frozen_bn"), ("frozen_bn", "bn"), ("syncbn", "bn")])
def test_a_norm_with_the_same_statistics_can_be_chosen_anew(theirs, ours):
    source = checkpoint(norm=theirs)
    spec = transfer_spec(source, NetworkSpec(**SPEC_VALUES, norm=ours))
    assert spec.norm == ours
    network = build(norm=ours)
    assert transfer_weights(network, source, ("a", "b", "c")) == ()
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(images), source.network.eval()(images), rtol=1e-4, atol=1e-5)


def test_group_norm_is_taken_over_and_never_made_of_batch_norm():
    assert transfer_spec(checkpoint(norm="gn"), NetworkSpec(**SPEC_VALUES)).norm == "gn"
    with pytest.raises(ValueError, match=r"network\.norm must be bn, that of the checkpoint, got gn"):
        transfer_spec(checkpoint(), NetworkSpec(**SPEC_VALUES, norm="gn"))


def test_the_classifier_of_a_library_is_new_for_other_classes():
    described = ReferenceNetwork("torchvision:squeezenet1_1")
    network = build(architecture=described, num_classes=4, stem="imagenet", image_size=32)
    source = Checkpoint(build(1, architecture=described, stem="imagenet", image_size=32), (), (), ("a", "b", "c"), 0.5)
    anew = weights_anew(network, source, ("a", "b", "c", "d"))
    assert anew == ("network.classifier.1.weight", "network.classifier.1.bias")
