import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from nas.data.data_set import DataSet, Split
from nas.recipe import TrainRecipe
from nas.training.parallel import Members
from nas.training.photographs import (
    ASPECTS,
    Lighting,
    PhotographBatches,
    color_axes,
    seed_of,
    training_transform,
)

CPU, ALONE = torch.device("cpu"), Members()
PLAIN = {"crop_padding": 0, "flip": False, "batch_size": 4}


def make_data(num_images=10, size=8):
    images = np.random.default_rng(0).integers(0, 256, (num_images, 3, size, size), dtype=np.uint8)
    split = Split(images, np.arange(num_images) % 2)
    return DataSet(split, split, lambda: split, ("a", "b"), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def make_batches(data, seed=1, size=8, members=ALONE, **settings):
    recipe = TrainRecipe(**{**PLAIN, **settings})
    return PhotographBatches(data.train, data, recipe, size=size, seed=seed, device=CPU, members=members)


def transform_of(data, size=8, **settings):
    return training_transform(data.train, data, TrainRecipe(**{**PLAIN, **settings}), size=size)


def test_without_any_change_batches_are_the_normalized_images():
    data = make_data()
    batches = make_batches(data)
    (images, labels), (more, _) = batches.epoch(0)
    known = torch.tensor(data.train.images / 255 * 4 - 2, dtype=torch.float32)
    for image, label in zip(images, labels, strict=True):
        number = next(n for n in range(10) if torch.allclose(known[n], image, atol=1e-5))
        assert label == number % 2
    assert images.shape == more.shape == (4, 3, 8, 8)
    assert len(batches) == 10


def all_images(batches, epoch=0):
    return torch.cat([images for images, _ in batches.epoch(epoch)])


TRICKS = {"min_crop_area": 0.08, "color_jitter": 0.4, "lighting": 0.1, "flip": True, "cutout": 3}


def test_an_epoch_follows_from_seed_and_number_alone():
    data, state = make_data(), torch.get_rng_state()
    first = all_images(make_batches(data, **TRICKS))
    batches = make_batches(data, **TRICKS)
    assert not torch.equal(all_images(batches, 1), first)
    assert torch.equal(all_images(batches, 0), first)
    assert not torch.equal(all_images(make_batches(data, seed=2, **TRICKS)), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert batches.generator is None


def test_two_workers_see_together_what_one_sees():
    data = make_data()
    alone = all_images(make_batches(data, **TRICKS))
    parts = [all_images(make_batches(data, members=Members(rank, 2), **TRICKS)) for rank in (0, 1)]
    assert torch.equal(torch.stack(parts, 1).flatten(0, 1), alone)


def test_crops_have_the_areas_and_aspects_of_the_paper():
    (crop, *_) = transform_of(make_data(), min_crop_area=0.08)
    assert isinstance(crop, v2.RandomResizedCrop)
    boxes = [crop.make_params([torch.zeros(3, 200, 200)]) for _ in range(400)]
    areas = np.array([box["height"] * box["width"] / 40000 for box in boxes])
    aspects = np.array([box["width"] / box["height"] for box in boxes])
    rounding = 0.03
    assert 0.08 - rounding <= areas.min() < 0.2
    assert 0.9 < areas.max() <= 1
    assert ASPECTS[0] - rounding <= aspects.min() < 0.8
    assert 1.25 < aspects.max() <= ASPECTS[1] + rounding


def test_larger_photographs_are_cropped_to_the_networks_size():
    data = make_data(size=12)
    assert all_images(make_batches(data, size=8)).shape[1:] == (3, 8, 8)
    assert all_images(make_batches(data, size=8, min_crop_area=0.5)).shape[1:] == (3, 8, 8)
    assert all_images(make_batches(make_data(), size=8, crop_padding=2)).shape[1:] == (3, 8, 8)


def test_jitter_scales_brightness_contrast_and_saturation_by_the_papers_factors():
    jitter = next(step for step in transform_of(make_data(), color_jitter=0.4) if type(step) is v2.ColorJitter)
    for factors in (jitter.brightness, jitter.contrast, jitter.saturation):
        assert factors == pytest.approx((0.6, 1.4))
    assert jitter.hue is None


def test_axes_of_colour_are_as_long_as_their_variances():
    # red varies between 0 and 1 (variance 1/4), green between 0 and 1/5 (1/100), blue not at all; none with another
    images = np.zeros((1, 3, 2, 2), np.uint8)
    images[0, 0] = [[0, 255], [0, 255]]
    images[0, 1] = [[0, 0], [51, 51]]
    axes = color_axes(Split(images, np.zeros(1, np.int64))).abs()
    expected = torch.tensor([[0, 0, 0.25], [0, 0.01, 0], [0, 0, 0]])
    torch.testing.assert_close(axes, expected, atol=1e-6, rtol=0)


def test_lighting_moves_all_pixels_alike_and_as_far_as_it_says():
    axes = torch.diag(torch.tensor([0.0, 0.0, 2.0]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        moved = torch.stack([Lighting(axes, 0.1)(torch.zeros(3, 2, 2)) for _ in range(500)])
    assert moved[:, :2].abs().max() == 0
    assert torch.equal(moved[:, 2].amin((1, 2)), moved[:, 2].amax((1, 2)))
    assert float(moved[:, 2, 0, 0].std()) == pytest.approx(0.2, rel=0.15)  # 0.1 times the length; four deviations


def test_seeds_of_places_differ():
    assert len({seed_of(1, epoch, image) for epoch in range(10) for image in range(10)}) == 100
    assert seed_of(1, 2) == seed_of(1, 2) < 2**63


def test_other_processes_prepare_the_same_images():
    data = make_data(4)
    assert torch.equal(
        all_images(make_batches(data, num_loaders=1, **TRICKS)), all_images(make_batches(data, **TRICKS))
    )
