"""Shifts of every pixel by itself, against values worked out by hand."""

import pytest
import torch
from torchvision.transforms import functional as vision

from nas.shifts import color


@pytest.fixture
def images():
    return torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25


def test_add_all_adds_levels(images):
    assert torch.allclose(color.add_all(images, 51), images + 0.2)


def test_add_red_leaves_green_and_blue(images):
    shifted = color.add_red(images, 51)
    assert torch.allclose(shifted[:, 0], images[:, 0] + 0.2)
    assert torch.equal(shifted[:, 1:], images[:, 1:])


def test_divide_contrast_keeps_means_and_divides_deviations(images):
    shifted = color.divide_contrast(images, 1.5)
    assert torch.allclose(shifted.mean((2, 3)), images.mean((2, 3)), atol=1e-6)
    assert torch.allclose(shifted.std((2, 3)), images.std((2, 3)) / 1.5, atol=1e-6)


def test_brightness_multiplies(images):
    assert torch.allclose(vision.adjust_brightness(images, 0.5), images / 2)


def test_contrast_multiplies_deviations_from_the_mean_lightness():
    grey = torch.tensor([0.4, 0.6]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    assert torch.allclose(
        vision.adjust_contrast(grey, 2.0), torch.tensor([0.3, 0.7]).view(1, 1, 1, 2).expand(1, 3, 1, 2), atol=1e-3
    )


def test_saturation_and_grey_leave_colourless_pictures():
    colourless = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(1)).expand(2, 3, 4, 4)
    assert torch.allclose(vision.adjust_saturation(colourless, 3.0), colourless, atol=1e-3)
    assert torch.allclose(color.grey(colourless, 1.0), colourless, atol=1e-3)


def test_grey_takes_all_colour_away(images):
    shifted = color.grey(images, 1.0)
    assert torch.equal(shifted[:, 0], shifted[:, 1])
    assert torch.equal(shifted[:, 1], shifted[:, 2])
    assert torch.allclose(color.grey(images, 0.0), images)


def test_hue_turns_red_into_green():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert torch.allclose(vision.adjust_hue(red, 1 / 3).flatten(), torch.tensor([0.0, 1.0, 0.0]), atol=1e-5)


def test_temperature_adds_red_and_takes_blue(images):
    shifted = color.temperature(images, 0.25)
    assert torch.allclose(shifted[:, 0], images[:, 0] * 1.25)
    assert torch.equal(shifted[:, 1], images[:, 1])
    assert torch.allclose(shifted[:, 2], images[:, 2] * 0.75)


def test_gamma_is_a_power(images):
    assert torch.allclose(vision.adjust_gamma(images, 2.0), images**2, atol=1e-5)
