"""Networks of libraries behave like every network of this project."""

from dataclasses import replace

import pytest
import timm
import torch
import torchvision
from torch import nn

from nas.downstream.backbone import Backbone, build_backbone
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.reference.names import IMAGENET_FORM, ReferenceNetwork
from nas.shifts.divergence import _layers

SMALL = NetworkSpec(num_classes=4, image_size=64, stem="imagenet")


def made(name, spec=SMALL):
    return build(ReferenceNetwork(name), spec)


def on_meta(name, spec=IMAGENET_FORM):
    with torch.device("meta"):
        return made(name, spec)


@pytest.mark.parametrize("name", ["torchvision:shufflenet_v2_x0_5", "timm:resnet10t"])
def test_outputs_are_the_librarys(name):
    network = made(name).eval()
    library, _, bare = name.partition(":")
    if library == "timm":
        theirs = timm.create_model(bare, num_classes=4)
    else:
        theirs = torchvision.models.get_model(bare, num_classes=4)
    theirs.load_state_dict(network.network.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), theirs.eval()(images), rtol=1e-5, atol=1e-5)
    network.set_progress(0.5)
    assert network.auxiliary_head is None


@pytest.mark.parametrize(
    ("name", "channels", "strides"),
    [
        ("torchvision:mobilenet_v2", (24, 32, 96, 1280), (4, 8, 16, 32)),
        ("torchvision:inception_v3", (192, 288, 768, 2048), (4, 8, 16, 32)),
        ("torchvision:vgg11", (256, 512, 512, 512), (4, 8, 16, 32)),
        ("torchvision:shufflenet_v2_x0_5", (24, 48, 96, 1024), (4, 8, 16, 32)),
        ("timm:resnet18", (64, 128, 256, 512), (4, 8, 16, 32)),
        ("densenet121", (256, 512, 1024, 1024), (4, 8, 16, 32)),
    ],
)
def test_backbones(name, channels, strides):
    backbone = Backbone(on_meta(name, replace(IMAGENET_FORM, image_size=128)))
    assert (backbone.channels, backbone.strides) == (channels, strides)
    maps = backbone(torch.empty(1, 3, 128, 192, device="meta"))
    assert [each.shape[1] for each in maps.values()] == list(channels)
    if "inception" not in name:  # which does not pad
        assert [each.shape[2:] for each in maps.values()] == [(128 // s, 192 // s) for s in strides]


def test_all_weights_of_a_backbone_are_used():
    backbone = build_backbone(ReferenceNetwork("torchvision:mnasnet0_5"), SMALL, seed=0)
    sum(each.sum() for each in backbone(torch.randn(1, 3, 64, 64)).values()).backward()
    assert all(weight.grad is not None for weight in backbone.parameters())


def test_transformers_are_refused_as_backbones():
    with pytest.raises(ValueError, match="torchvision:vit_b_16 must compute maps of 3 strides or more, got 0"):
        on_meta("torchvision:vit_b_16").levels()


def test_layers_of_the_divergence_are_its_units():
    names = [*_layers(on_meta("torchvision:mobilenet_v2"))]
    assert names == [f"features.{index}" for index in range(19)]


def test_the_auxiliary_head_of_inception_is_used_in_training():
    network = on_meta("torchvision:inception_v3", replace(IMAGENET_FORM, image_size=299, auxiliary=True))
    logits, auxiliary = network.train()(torch.empty(2, 3, 299, 299, device="meta"))
    assert logits.shape == auxiliary.shape == (2, 1000)
    assert network.eval()(torch.empty(1, 3, 299, 299, device="meta")).shape == (1, 1000)
    assert isinstance(network.auxiliary_head, nn.Module)
    assert "AuxLogits" not in network.parts


def test_small_images_that_do_not_fit_are_refused_at_once():
    with pytest.raises(ValueError, match="images of 32 pixels do not fit the network: "):
        made("torchvision:inception_v3", NetworkSpec())


def test_the_classifier_is_the_last_layer_with_an_output_per_class():
    assert on_meta("torchvision:mobilenet_v2").classifier == "network.classifier.1"
    assert on_meta("timm:resnet18").classifier == "network.fc"
    assert on_meta("torchvision:squeezenet1_1").classifier == "network.classifier.1"


def test_instance_normalization_has_no_published_place():
    with pytest.raises(ValueError, match="instance normalization cannot be placed in timm:resnet18"):
        on_meta("timm:resnet18", replace(IMAGENET_FORM, norm="ibn_a"))
