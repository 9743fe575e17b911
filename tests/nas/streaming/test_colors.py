"""Colors of whole batches: what torchvision's transforms make of one image at a time."""

from itertools import permutations

import pytest
import torch
from torchvision.transforms.v2 import functional

from nas.recipe import TrainRecipe
from nas.streaming.colors import BatchColors
from nas.streaming.crops import NUM_DRAWS

CPU = torch.device("cpu")
STEPS = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation)


class Statistics:
    mean, std = (0.5, 0.4, 0.3), (0.25, 0.2, 0.5)


def pixels(number, low=90, high=160):
    return torch.randint(low, high, (number, 3, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def normalized(images):
    return functional.normalize(images, list(Statistics.mean), list(Statistics.std))


def plain(batch):
    return batch / 255


def draws(number, **columns):
    rows = torch.zeros(number, NUM_DRAWS)
    rows[:, :3] = 1
    for place, values in columns.items():
        rows[:, int(place[1:])] = torch.as_tensor(values, dtype=torch.float32)
    return rows


def test_without_draws_images_are_normalized_only():
    batch = pixels(2)
    images = BatchColors(Statistics, TrainRecipe(color_jitter=0.4, cutout=3), axes=None, device=CPU)(batch)
    torch.testing.assert_close(images, normalized(plain(batch)), atol=1e-5, rtol=0)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_jitter_in_each_order_is_that_of_torchvision():
    factors = (1.1, 0.9, 0.8)  # of colors so far from black and white that nothing is clipped
    batch = pixels(6)
    rows = draws(6, c0=factors[0], c1=factors[1], c2=factors[2], c3=range(6))
    images = BatchColors(Statistics, TrainRecipe(color_jitter=0.4), axes=None, device=CPU)(batch, rows)
    for place, order in enumerate(permutations(range(3))):
        image = plain(batch)[place]
        for kind in order:
            image = STEPS[kind](image, factors[kind])
        torch.testing.assert_close(images[place], normalized(image), atol=2e-3, rtol=0)


def test_colors_are_clipped_after_jitter():
    batch = torch.full((1, 3, 2, 2), 250, dtype=torch.uint8)
    images = BatchColors(Statistics, TrainRecipe(color_jitter=0.4), axes=None, device=CPU)(batch, draws(1, c0=1.4))
    torch.testing.assert_close(images, normalized(torch.ones(1, 3, 2, 2)))


@pytest.mark.parametrize("jitter", [0, 0.4])
def test_lighting_moves_all_pixels_of_an_image_alike(jitter):
    batch, axes = pixels(2), torch.diag(torch.tensor([0.1, 0.2, 0.3]))
    rows = draws(2, c4=[1, 0], c5=[0, 0], c6=[0, -1])
    images = BatchColors(Statistics, TrainRecipe(color_jitter=jitter, lighting=0.1), axes=axes, device=CPU)(batch, rows)
    moved = plain(batch) + torch.tensor([[0.1, 0, 0], [0, 0, -0.3]])[:, :, None, None]
    torch.testing.assert_close(images, normalized(moved), atol=1e-5, rtol=0)


def test_cutout_sets_a_square_to_the_mean_color():
    images = BatchColors(Statistics, TrainRecipe(cutout=2), axes=None, device=CPU)(pixels(1), draws(1, c7=1, c8=4))
    zeros = (images[0] == 0).all(0)
    expected = torch.zeros(6, 5, dtype=torch.bool)
    expected[0:2, 3:5] = True
    assert torch.equal(zeros, expected)
