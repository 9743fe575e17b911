"""Feature divergence: the formula against values worked out by hand, and what it says of norms."""

import numpy as np
import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.load import load_data
from nas.fidelity import DataSpec, NetworkSpec
from nas.models.network import build_network
from nas.models.reference.names import ReferenceNetwork
from nas.models.resnet import ResidualNetwork
from nas.shifts.divergence import appearance_divergence, content_divergence, layer_means, symmetric_divergence
from nas.shifts.table import shift_split
from search_spaces.published import PUBLISHED

SPEC = NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=2)


@pytest.fixture(scope="module")
def data():
    return load_data(DataSpec())


def means(network, split, data):
    return layer_means(network, split.images, mean=data.mean, std=data.std)


def test_the_formula_by_hand():
    first = np.array([[-1.0], [1.0]])  # mean 0, variance 1
    second = np.array([[1.0], [5.0]])  # mean 3, variance 4
    one_way = np.log(2 / 1) + (1 + 9) / (2 * 4) - 0.5
    other_way = np.log(1 / 2) + (4 + 9) / (2 * 1) - 0.5
    assert symmetric_divergence(first, second) == pytest.approx(one_way + other_way, rel=1e-5)
    assert symmetric_divergence(second, first) == pytest.approx(one_way + other_way, rel=1e-5)


def test_equal_sets_and_constant_channels_do_not_diverge():
    values = np.random.default_rng(0).normal(size=(20, 3))
    assert symmetric_divergence(values, values) == pytest.approx(0)
    constant = np.full((5, 2), 0.25)
    assert symmetric_divergence(constant, constant) == pytest.approx(0)
    assert symmetric_divergence(constant, constant + 1) > 1000


def test_channels_are_averaged():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 30, 2))
    apart = [symmetric_divergence(first[:, [c]], second[:, [c]]) for c in range(2)]
    assert symmetric_divergence(first, second) == pytest.approx(np.mean(apart))


def test_sets_that_cannot_be_compared():
    for shapes in (((1, 3), (5, 3)), ((5, 3), (5, 2))):
        with pytest.raises(ValueError, match="each set must have at least 2 images"):
            symmetric_divergence(*(np.zeros(shape) for shape in shapes))


def test_layers_of_cells_and_of_residual_networks(data):
    torch.manual_seed(0)
    network = build_network(PUBLISHED["nasnet-a"], SPEC).train()
    layers = means(network, data.validation, data)
    assert list(layers) == ["stem", "cell 1 (normal)", "cell 2 (reduction)", "cell 3 (normal)"]
    assert [values.shape for values in layers.values()] == [(len(data.validation), c) for c in (12, 24, 32, 48)]
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    resnet = ResidualNetwork(ReferenceNetwork("resnet18-ibn-b"), SPEC)
    layers = means(resnet, data.validation, data)
    assert list(layers)[:3] == ["stem", "stage 1 block 1", "stage 1 block 2"]
    assert len(layers) == 9


def test_the_means_are_those_of_the_features(data):
    torch.manual_seed(0)
    network = build_network(PUBLISHED["nasnet-a"], SPEC).eval()
    images = (torch.from_numpy(data.validation.images).float() / 255 - data.mean[0]) / data.std[0]
    with torch.no_grad():
        last = network.features(images)[-1].relu().mean((2, 3))
    collected = means(network, data.validation, data)["cell 3 (normal)"]
    assert np.allclose(collected, last.numpy(), atol=1e-5)


def test_instance_normalization_removes_appearance(data):
    shifted = shift_split(data.validation, "divide_contrast", severity=3)
    divergences = {}
    for name in ("resnet18", "resnet18-ibn-b"):
        torch.manual_seed(0)
        network = ResidualNetwork(ReferenceNetwork(name), SPEC).eval()
        found = appearance_divergence(means(network, data.validation, data), means(network, shifted, data))
        divergences[name] = found
    # behind the instance normalization of stem and last block of the first stage, contrast is gone
    assert divergences["resnet18-ibn-b"]["stage 1 block 2"] < 0.1 * divergences["resnet18"]["stage 1 block 2"]


def test_instance_normalization_at_the_end_of_a_cell_leaves_content(data):
    block = Block(Edge(1, "conv_3x3"), Edge(1, "identity"), norm="ibn_b")
    torch.manual_seed(0)
    network = build_network(Architecture(Cell((block,)), Cell((block,))), SPEC).eval()
    content = content_divergence(means(network, data.validation, data), data.validation.labels)
    assert min(content.values()) > 0.1


def test_content_between_two_classes_and_all_pairs(data):
    labels = np.array([0, 0, 1, 1, 2, 2, 3])
    clean = {"layer": np.array([[0.0], [2.0], [5.0], [7.0], [0.0], [2.0], [99.0]])}
    near = content_divergence(clean, labels, classes=(0, 2))["layer"]
    far = content_divergence(clean, labels, classes=(0, 1))["layer"]
    assert near == pytest.approx(0)
    assert far == pytest.approx(25, rel=1e-5)
    assert content_divergence(clean, labels)["layer"] == pytest.approx(2 / 3 * 25, rel=1e-5)
    with pytest.raises(ValueError, match="there must be at least 2 images of each class, got 3 and 0"):
        content_divergence({"stem": np.zeros((4, 2))}, np.array([0, 0, 0, 1]), classes=(0, 7))
    with pytest.raises(ValueError, match="2 classes with at least 2 images each, got 1"):
        content_divergence({"layer": clean["layer"][:3]}, labels[:3])
