"""Copies of maps are shifted, computed and joined: stages of stride 2 become dense without a change of their layers."""

import pytest
import torch
import torch.nn.functional as F

from nas.models.dense.shifted_copies import ShiftedCopies


def random(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (1, 1), (2, 3)])
def test_pixels_are_joined_where_they_were(size):
    """A stage that takes every second pixel gives the map back."""
    images, copies = random(2, 3, *size), ShiftedCopies()
    (spread,) = copies.spread(images)
    assert spread.shape == (8, 3, *size)
    assert torch.equal(copies.gather(spread[..., ::2, ::2]), images)


def test_a_finer_map_is_shifted_by_as_much_of_the_image():
    fine, coarse = random(1, 1, 9, 7), random(1, 1, 5, 4)
    spread_fine, _ = ShiftedCopies().spread(fine, coarse)
    assert torch.equal(spread_fine[1, 0, :, :5], fine[0, 0, :, 2:])
    assert torch.equal(spread_fine[2, 0, :7], fine[0, 0, 2:])
    assert spread_fine[2, 0, 7:].abs().sum() == 0


@pytest.mark.parametrize("size", [(12, 16), (16, 8)])
def test_two_convolutions_are_those_with_dilation(size):
    """The second one reads every second pixel, which is a dilation of 2, whose padding is 2."""
    images, weights = random(1, 2, *size), [random(4, 2, 3, 3), random(3, 4, 3, 3)]

    def stage(maps):  # padded after only, as TensorFlow's SAME pads maps of even size
        return F.conv2d(F.conv2d(F.pad(maps, (0, 1, 0, 1)), weights[0], stride=2), weights[1], padding=1)

    copies = ShiftedCopies()
    dense = copies.gather(stage(*copies.spread(images)))
    dilated = F.conv2d(F.conv2d(F.pad(images, (0, 2, 0, 2)), weights[0]), weights[1], padding=2, dilation=2)
    torch.testing.assert_close(dense, dilated)


def test_two_stages_are_joined_in_the_order_in_which_they_were_copied():
    images, copies = random(1, 1, 6, 10), ShiftedCopies()
    (once,) = copies.spread(images)
    (twice,) = copies.spread(once[..., ::2, ::2])
    assert torch.equal(copies.gather(twice[..., ::2, ::2]), images)


def test_nothing_is_joined_where_nothing_was_copied():
    images = random(1, 1, 4, 4)
    assert ShiftedCopies().gather(images) is images
