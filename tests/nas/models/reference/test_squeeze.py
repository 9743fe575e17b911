"""Squeeze-and-excitation."""

import torch
from torchvision.models.resnet import BasicBlock

from nas.models.reference.squeeze import SqueezeBottleneck, SqueezeExcitation, residual_sum


def test_it_scales_channels_by_their_means():
    layer = SqueezeExcitation(32)
    assert sum(weight.numel() for weight in layer.parameters()) == 2 * 32 * 2
    torch.nn.init.zeros_(layer.fc[2].weight)
    images = torch.randn(2, 32, 3, 3)
    assert torch.equal(layer(images), images / 2)  # the sigmoid of 0


def test_the_block_squeezes_its_branch_only():
    block = SqueezeBottleneck(64, 16).eval()
    images = torch.rand(1, 64, 4, 4)
    torch.nn.init.zeros_(block.conv3.weight)
    assert torch.equal(block(images), images)


def test_the_sum_is_that_of_torchvisions_blocks():
    block = BasicBlock(8, 8).eval()
    images = torch.randn(2, 8, 4, 4)
    assert torch.equal(torch.relu(residual_sum(block, images)), block(images))
