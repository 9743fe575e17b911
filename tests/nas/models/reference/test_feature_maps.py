"""Units and strides of networks, found from one run without data."""

import pytest
import torch
from torch import nn

from nas.models.reference.feature_maps import find_units, last_of_each_stride, remove_after, run


class Toy(nn.Module):
    """A stem of stride 2, a trunk of two stages, and a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.trunk = nn.Sequential(self.stage(4, 6), self.stage(6, 8))
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.head = nn.Linear(8 * 9, 5)
        self.unused = nn.Linear(2, 2)

    @staticmethod
    def stage(before, after):
        return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(after, after, 1))

    def forward(self, images):
        return self.head(self.pool(self.trunk(self.stem(images))).flatten(1))


def test_units_are_the_largest_modules_that_halve_once():
    units = find_units(Toy(), 3, 64)
    assert [(unit.name, unit.channels, unit.stride) for unit in units] == [
        ("stem", 4, 2),
        ("trunk.0", 6, 4),
        ("trunk.1", 8, 8),
    ]
    assert [unit.name for unit in last_of_each_stride(units)] == ["stem", "trunk.0", "trunk.1"]


def test_the_last_unit_of_a_stride_is_taken():
    network = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1))
    names = [unit.name for unit in last_of_each_stride(find_units(network, 3, 32))]
    assert names == ["2", "3"]  # not the last convolution, which is the classifier


def test_what_runs_later_or_never_is_removed():
    network = Toy()
    remove_after(network, find_units(network, 3, 64)[1], 3, 64)
    assert isinstance(network.head, nn.Identity)
    assert isinstance(network.unused, nn.Identity)
    assert isinstance(network.trunk[1], nn.Identity)
    assert isinstance(network.stem, nn.Conv2d)


def test_the_network_is_not_changed_by_looking():
    network = Toy().train()
    find_units(network, 3, 64)
    assert network.training
    assert next(network.parameters()).device.type == "cpu"
    assert not network.stem._forward_hooks


def test_images_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="images of 2 pixels do not fit the network: "), torch.no_grad():
        run(nn.Conv2d(3, 1, 5), torch.zeros(1, 3, 2, 2))
