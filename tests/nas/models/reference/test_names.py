"""Names of reference networks and what they mean."""

import json

import pytest

from nas.models.reference.names import (
    IMAGENET_FORM,
    REFERENCE_NETWORKS,
    DenseNetForm,
    LibraryForm,
    ReferenceNetwork,
    ResNetForm,
    library_name,
)


def test_families():
    # 14 residual networks with 3 variants or none and 6 placements or none; 4 DenseNets with and without ibn-a
    assert len(REFERENCE_NETWORKS) == 14 * 4 * 7 + 4 * 2
    assert ReferenceNetwork("resnet101-d-ibn-b").form == ResNetForm(101, "d", "b")
    assert ReferenceNetwork("resnext101-32x8d").form == ResNetForm(101, groups=32, width=8)
    assert ReferenceNetwork("seresnet50-ibn-a").form == ResNetForm(50, placement="a", squeezes=True)
    assert ReferenceNetwork("densenet169-ibn-a").form == DenseNetForm(169, "a")
    assert ReferenceNetwork("timm:resnet50.a1_in1k").form == LibraryForm("timm", "resnet50.a1_in1k")
    assert (IMAGENET_FORM.num_classes, IMAGENET_FORM.image_size, IMAGENET_FORM.stem) == (1000, 224, "imagenet")


def test_fingerprints_are_equal_if_and_only_if_the_networks_are():
    assert ReferenceNetwork("resnet50").fingerprint == ReferenceNetwork("resnet50-b").fingerprint
    fingerprints = {ReferenceNetwork(name).fingerprint for name in REFERENCE_NETWORKS}
    assert len(fingerprints) == 14 * 3 * 7 + 4 * 2  # -b is the same as no variant
    assert ReferenceNetwork("torchvision:resnet50").fingerprint not in fingerprints


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [("resnet50", "d966c433904f7ff6765f9166802b4391"), ("resnet18-d-ibn-a", "b56324447ba570690c937eeb0d72f379")],
)
def test_fingerprints_of_earlier_versions(name, fingerprint):
    assert ReferenceNetwork(name).fingerprint == fingerprint


def test_json_round_trip():
    for name in ("resnet50-ibn-a", "densenet121", "torchvision:mobilenet_v2"):
        network = ReferenceNetwork(name)
        assert ReferenceNetwork.from_json(json.loads(json.dumps(network.to_json()))) == network
    for bad in ({}, [], {"reference": "resnet50", "more": 1}):
        with pytest.raises(ValueError, match="an object with reference"):
            ReferenceNetwork.from_json(bad)


@pytest.mark.parametrize(
    "name",
    [
        *("resnet51", "resnet50-a", "resnet50-ibn", "resnet50-ibn-a-d", "", None, "resnet50\n", "densenet121-ibn-b"),
        *("resnext50", "torchvision:", "torchvision:../x", "keras:resnet50", "timm:hf-hub:a/b", "timm:a.b.c"),
    ],
)
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="a reference network must be among resnet18, resnet34, resnet50, "):
        ReferenceNetwork(name)


def test_only_names_of_libraries_have_a_colon():
    assert library_name("torchvision:vgg16") == LibraryForm("torchvision", "vgg16")
    assert library_name("resnet50") is None
    assert library_name(3) is None
