"""Draws of crops and colors: their distribution, and what they follow from."""

import numpy as np
import pytest

from nas.data.crop_decoding import Box
from nas.recipe import TrainRecipe
from nas.streaming.crops import ASPECTS, NUM_DRAWS, CropDraw, resized_box


def draw_of(seed=1, size=8, share=0.5, **settings):
    return CropDraw(TrainRecipe(**settings), seed, size, share)


def test_crops_have_the_areas_and_aspects_of_the_paper():
    generator = np.random.default_rng(0)
    boxes = [resized_box(500, 375, generator, min_area=0.08) for _ in range(500)]
    areas = np.array([box.width * box.height / (500 * 375) for box in boxes])
    aspects = np.array([box.width / box.height for box in boxes])
    rounding = 0.02
    assert 0.08 - rounding <= areas.min() < 0.15
    assert 0.9 < areas.max() <= 1
    assert ASPECTS[0] - rounding <= aspects.min() < 0.8
    assert 1.25 < aspects.max() <= ASPECTS[1] + rounding
    assert all(0 <= box.left <= 500 - box.width and 0 <= box.top <= 375 - box.height for box in boxes)
    assert len({box.left for box in boxes}) > 100


def test_pictures_too_long_for_a_crop_give_the_largest_one_in_the_middle():
    generator = np.random.default_rng(0)
    assert resized_box(400, 30, generator, min_area=0.9) == Box(180, 0, 40, 30)
    assert resized_box(30, 400, generator, min_area=0.9) == Box(0, 180, 30, 40)


def test_without_resized_crops_a_square_is_moved_over_the_whole_photograph():
    draw = draw_of()
    boxes = [draw.box(40, 20, draw.generator(0, number)) for number in range(200)]
    assert {(box.width, box.height) for box in boxes} == {(10, 10)}
    assert min(box.left for box in boxes) < 1
    assert 29 < max(box.left for box in boxes) <= 30
    assert 9 < max(box.top for box in boxes) <= 10


def test_numbers_are_drawn_as_the_recipe_says():
    draw = draw_of(color_jitter=0.4, lighting=0.1, flip=True)
    drawn = [draw.numbers(draw.generator(0, number)) for number in range(400)]
    flips, numbers = np.array([flip for flip, _ in drawn]), np.stack([row for _, row in drawn])
    assert numbers.shape == (400, NUM_DRAWS)
    assert 0.4 < flips.mean() < 0.6  # four deviations
    assert 0.6 <= numbers[:, :3].min() < 0.62
    assert 1.38 < numbers[:, :3].max() <= 1.4
    assert {*numbers[:, 3]} == {0, 1, 2, 3, 4, 5}
    assert numbers[:, 4:7].std() == pytest.approx(0.1, rel=0.15)
    assert {*numbers[:, 7:].ravel()} == {*range(8)}
    flip, plain = draw_of(flip=False).numbers(draw.generator(0, 0))
    assert (flip, plain[:3].tolist(), plain[4:7].tolist()) == (False, [1, 1, 1], [0, 0, 0])


def test_a_draw_follows_from_seed_epoch_and_photograph():
    draw = draw_of(color_jitter=0.4)
    places = {(seed, epoch, number) for seed in (1, 2) for epoch in (0, 1) for number in (0, 1)}
    drawn = {draw_of(seed, color_jitter=0.4).numbers(draw_of(seed).generator(*rest))[1][0] for seed, *rest in places}
    assert len(drawn) == 8
    assert draw.numbers(draw.generator(3, 4))[1].tolist() == draw.numbers(draw.generator(3, 4))[1].tolist()
