"""Blur, noise, JPEG and fog."""

import torch

from nas.shifts import optics


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_blur_spreads_a_point_and_keeps_its_sum():
    images = torch.zeros(1, 3, 33, 33)
    images[:, :, 16, 16] = 1
    blurred = optics.blur(images, 1.0)
    assert torch.allclose(blurred.sum((2, 3)), torch.ones(1, 3), atol=1e-5)
    weights = blurred[0, 0] / blurred[0, 0].sum()
    rows = torch.arange(33.0) - 16
    variance = (weights.sum(1) * rows**2).sum()
    assert 0.9 < float(variance) < 1.15  # sigma 1 in an image of 32, cut off at three sigma


def test_blur_grows_with_the_image():
    small, large = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 64, 64)
    small[..., 4, 4], large[..., 32, 32] = 1, 1
    assert float(optics.blur(small, 2.0).max()) > 4 * float(optics.blur(large, 2.0).max())


def test_blur_works_on_the_smallest_images():
    assert optics.blur(torch.rand(2, 1, 1, 1), 2.0).shape == (2, 1, 1, 1)
    assert optics.blur(torch.rand(2, 1, 3, 8), 20.0).shape == (2, 1, 3, 8)


def test_noise_has_the_deviation_and_follows_the_generator():
    images = torch.full((64, 3, 16, 16), 0.5)
    noisy = optics.noise(images, 0.1, generator())
    assert abs(float((noisy - images).std()) - 0.1) < 0.002
    assert abs(float((noisy - images).mean())) < 0.002
    assert torch.equal(noisy, optics.noise(images, 0.1, generator()))
    assert not torch.equal(noisy, optics.noise(images, 0.1, generator(1)))


def test_jpeg_loses_more_at_lower_quality():
    images = torch.rand(4, 3, 16, 16, generator=generator())
    losses = [float((optics.jpeg(images, quality) - images).abs().mean()) for quality in (95, 50, 10)]
    assert losses[0] < losses[1] < losses[2]


def test_jpeg_stores_grey_images_and_cuts_off():
    images = torch.full((2, 1, 8, 8), 1.5)
    assert torch.equal(optics.jpeg(images, 50), torch.ones(2, 1, 8, 8))


def test_fog_lightens_between_half_its_density_and_all_of_it():
    foggy = optics.fog(torch.zeros(8, 3, 32, 32), 0.6, generator())
    assert float(foggy.min()) >= 0.3 - 1e-6
    assert abs(float(foggy.max()) - 0.6) < 1e-6
    assert float(foggy.std()) > 0.02  # it is not the same everywhere
    assert torch.equal(foggy[:, 0], foggy[:, 2])  # and white
    assert not torch.equal(foggy[0], foggy[1])
