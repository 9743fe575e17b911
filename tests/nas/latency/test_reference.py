from __future__ import annotations

import torch

from nas.latency.reference import ReferenceNetwork, reference_network, reference_onnx


def test_it_is_always_the_same_network():
    torch.default_generator.manual_seed(5)
    before = torch.get_rng_state()
    network, image = reference_network()
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training
    assert network(image).shape == (1, 10)
    reference_network.cache_clear()
    again, same = reference_network()
    assert torch.equal(image, same)
    assert torch.equal(network(image), again(same))


def test_it_has_many_small_operations_of_the_kinds_that_cells_have():
    kinds = [type(module).__name__ for module in ReferenceNetwork().modules()]
    assert {"Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Linear"} <= set(kinds)
    assert kinds.count("Conv2d") == 17  # the stem, and two cells of three pairs, a convolution and a match
    depthwise = [each for each in ReferenceNetwork().modules() if getattr(each, "groups", 1) > 1]
    assert len(depthwise) == 6


def test_the_onnx_model_is_exported_once():
    assert reference_onnx() is reference_onnx()
