import math

import pytest
import torch
from torch import nn

from nas.models.normalization import BatchNorm, InstanceBatchNorm, NormSettings, instance_norm
from nas.scores.saliency import grad_norm, layer_weights, snip, synflow, without_norms

IMAGES = torch.tensor([[3.0, 4.0]])[:, None, None, :]
LABELS = torch.tensor([0])


def classifier(*rows: tuple[float, float]) -> nn.Module:
    linear = nn.Linear(2, len(rows))
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(rows))
        linear.bias.zero_()
    return nn.Sequential(nn.Flatten(), linear)


def test_grad_norm_and_snip_have_their_definition():
    """Two equal logits: p = 1/2 each, so the gradient of the loss is (-1/2, 1/2) times the image (3, 4) of norm 5."""
    network = classifier((1.0, 0.0), (1.0, 0.0))
    assert grad_norm(network, IMAGES, LABELS) == pytest.approx(5 * math.sqrt(0.5))
    assert snip(network, IMAGES, LABELS) == pytest.approx(2 * 0.5 * 3.0)


def test_layers_without_a_gradient_count_as_zero():
    network = classifier((1.0, 0.0), (1.0, 0.0))
    network.register_module("unused", nn.Identity())
    network.unused.add_module("linear", nn.Linear(2, 2))
    assert len(layer_weights(network)) == 2
    assert grad_norm(network, IMAGES, LABELS) == pytest.approx(5 * math.sqrt(0.5))


def test_synflow_is_the_flow_through_absolute_weights_without_norms():
    """Weights -2 and 3 in a chain: R = 6, and each weight carries all of it."""
    first, second = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 1, 1, bias=False)
    with torch.no_grad():
        first.weight.fill_(-2)
        second.weight.fill_(3)
    network = nn.Sequential(first, BatchNorm(1), nn.ReLU(), second)
    assert synflow(network, torch.zeros(5, 1, 1, 1), LABELS) == pytest.approx(math.log(12))


def test_synflow_without_flow_is_minus_infinity():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    nn.init.zeros_(network[0].weight)
    assert synflow(network, torch.zeros(5, 1, 1, 1), LABELS) == -math.inf


@pytest.mark.parametrize("norm", [BatchNorm(4), instance_norm(4, NormSettings()), InstanceBatchNorm(4, NormSettings())])
def test_norms_are_left_out_within_the_context_only(norm):
    images = torch.randn(3, 4, 5, 5) * 7
    before = norm.train()(images)
    with without_norms(norm):
        assert torch.equal(norm(images), images)
    torch.testing.assert_close(norm(images), before)
