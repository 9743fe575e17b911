import math

import pytest
import torch
from torch import nn

from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.normalization import BatchNorm
from nas.models.reference.names import ReferenceNetwork
from nas.scores.zen import zen

IMAGES, LABELS = torch.zeros(8, 1, 32, 32), torch.zeros(8)


class Chain(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def features(self, images):
        return [self.layers(images)]


def conv() -> nn.Conv2d:
    return nn.Conv2d(1, 1, 1, bias=False)


def test_without_norms_it_is_the_log_of_the_mean_change():
    """A single weight w changes each of 1,024 pixels by 0.01 |w e|, and E|e| = sqrt(2 / pi)."""
    torch.manual_seed(0)
    layer = conv()
    score = zen(Chain(layer), IMAGES, LABELS)
    expected = math.log(0.01 * abs(layer.weight.item()) * 1024 * math.sqrt(2 / math.pi))
    assert score == pytest.approx(expected, abs=0.05)


def test_a_norm_adds_the_log_of_the_spread_that_it_removes():
    """So a norm does not change the score of what precedes it: log |change / s| + log s."""
    scores = []
    for layers in ((conv(),), (conv(), BatchNorm(1))):
        torch.manual_seed(3)
        scores.append(zen(Chain(*layers).train(), IMAGES, LABELS))
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_norms_of_constant_maps_are_left_out_and_a_constant_network_has_no_score():
    class Constant(nn.Module):
        def forward(self, images):
            return images * 0

    assert zen(Chain(Constant(), BatchNorm(1)).train(), IMAGES, LABELS) == -math.inf


def test_a_network_of_a_library_has_a_score_of_its_own_images_only():
    """Its maps are found with a copy on the meta device, whose norms remove nothing."""
    scores = []
    for look_before in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = build(ReferenceNetwork("torchvision:mobilenet_v2"), NetworkSpec(image_size=32)).train()
            if look_before:
                network.find_levels()
            scores.append(zen(network, torch.zeros(4, 3, 32, 32), LABELS))
    assert scores[0] == scores[1]
    assert math.isfinite(scores[0])
