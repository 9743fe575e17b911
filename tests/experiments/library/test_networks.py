from __future__ import annotations

import numpy as np
import pytest
import torch

import nas

SMALL = {"num_filters": 4, "num_repeats": 1, "num_stages": 1, "image_size": 8, "in_channels": 1, "num_classes": 2}


@pytest.fixture
def network():
    cell = nas.Cell((nas.Block(nas.Edge(0, "conv_1x1"), nas.Edge(1, "identity")),))
    return nas.build_network(nas.Architecture(cell, cell), **SMALL)


def test_unknown_settings_are_named():
    with pytest.raises(ValueError, match=r"a network has the settings num_classes, .*; got classes"):
        nas.build_network("nasnet-a", classes=3)
    with pytest.raises(ValueError, match="unknown architecture"):
        nas.build_network("nasnet-z")


def test_training_learns_dark_from_bright(network):
    labels = np.arange(200) % 2
    images = (np.random.default_rng(0).integers(0, 100, (200, 8, 8)) + 100 * labels[:, None, None]).astype(np.uint8)
    data = nas.data_set(images, labels)
    recipe = nas.TrainRecipe(epochs=4, batch_size=16, learning_rate=0.1, crop_padding=0, flip=False)
    # the classes differ by 100 grey levels in every pixel, so anything that learns separates them
    assert nas.train(network, data, recipe) > 0.9


def test_an_export_of_a_network_has_its_weights_and_says_what_was_measured(network, tmp_path):
    nas.export(network.eval(), tmp_path / "best", accuracy=0.75, class_names=("a", "b"))
    loaded = nas.load(str(tmp_path / "best"))
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(loaded(images), network(images))
    assert "| validation accuracy | 75.00% |" in (tmp_path / "best" / "README.md").read_text()
    with pytest.raises(ValueError, match="class_names must be 2, one for each class, got 1"):
        nas.export(network, tmp_path / "other", class_names=("a",))


def test_a_norm_from_outside_is_built(network):
    name = nas.plug_in(lambda num_channels, settings: torch.nn.GroupNorm(1, num_channels), "mine:layer")
    block = nas.Block(nas.Edge(0, "conv_1x1"), nas.Edge(1, "identity"), norm=name)
    cell = nas.Cell((block,))
    built = nas.build_network(nas.Architecture(cell, cell), **SMALL)
    assert any(type(module) is torch.nn.GroupNorm for module in built.modules())
