"""Networks of torchvision and timm by name."""

import sys

import pytest
import timm
import torch
import torchvision

from nas.fidelity import NetworkSpec
from nas.models.reference.library import (
    IMAGENET_MEAN,
    check_library_network,
    create_library_network,
    library_spec,
    library_statistics,
)
from nas.models.reference.names import IMAGENET_FORM, LibraryForm


def test_initial_weights_are_the_librarys():
    form = LibraryForm("torchvision", "squeezenet1_1")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        ours = create_library_network(form, IMAGENET_FORM)
        torch.manual_seed(3)
        theirs = torchvision.models.squeezenet1_1()
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in theirs.state_dict().items())


def test_settings_reach_the_network():
    spec = NetworkSpec(num_classes=7, in_channels=1, image_size=64, dropout=0.3)
    with torch.device("meta"):
        network = create_library_network(LibraryForm("torchvision", "mobilenet_v2"), spec)
        assert network.features[0][0].weight.shape == (32, 1, 3, 3)
        assert network.features[0][0].stride == (1, 1)  # the stem for small images
        assert (network.classifier[0].p, network.classifier[1].out_features) == (0.3, 7)
        other = create_library_network(LibraryForm("timm", "mobilenetv2_100"), spec)
    assert (other.conv_stem.weight.shape[1], other.drop_rate, other.classifier.out_features) == (1, 0.3, 7)


def test_networks_for_one_size_of_images_get_it():
    spec = NetworkSpec(image_size=64, stem="imagenet")
    with torch.device("meta"):
        assert create_library_network(LibraryForm("torchvision", "vit_b_16"), spec).image_size == 64
        assert create_library_network(LibraryForm("timm", "vit_tiny_patch16_224"), spec).pos_embed.shape[1] == 17


def test_networks_that_compute_their_widths_can_be_built_on_the_meta_device():
    with torch.device("meta"):
        network = create_library_network(LibraryForm("torchvision", "regnet_y_400mf"), IMAGENET_FORM)
    assert {weight.device.type for weight in network.parameters()} == {"meta"}


def test_published_sizes_and_statistics():
    assert library_spec(LibraryForm("torchvision", "inception_v3")).image_size == 299
    assert library_spec(LibraryForm("timm", "nasnetalarge")).image_size == 331
    assert library_statistics(LibraryForm("torchvision", "resnet18"))[0] == IMAGENET_MEAN
    assert library_statistics(LibraryForm("timm", "nasnetalarge")) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_unknown_networks_are_named_with_similar_ones():
    with pytest.raises(ValueError, match="torchvision has no classification network mobilenetv2; did you mean mobile"):
        check_library_network(LibraryForm("torchvision", "mobilenetv2"))
    with pytest.raises(ValueError, match="torchvision has no classification network fasterrcnn_resnet50_fpn"):
        check_library_network(LibraryForm("torchvision", "fasterrcnn_resnet50_fpn"))
    check_library_network(LibraryForm("timm", "resnet50.a1_in1k"))
    assert "resnet50" in timm.list_models("resnet50")


def test_a_missing_timm_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RuntimeError, match=r"timm is not installed; install 'nas-engine\[timm\]'"):
        check_library_network(LibraryForm("timm", "resnet50"))
