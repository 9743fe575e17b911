"""Lengths and rates against numbers worked out by hand."""

import math

import pytest

from nas.downstream.recipe import DenseRecipe
from nas.downstream.schedule import COCO_IMAGES, check_lengths, learning_rate, parse_length, with_length


@pytest.mark.parametrize(
    ("text", "num_images", "batch_size", "iterations", "cuts"),
    [
        ("1x", COCO_IMAGES, 16, 90_000, (60_000, 20_000)),
        ("2x", COCO_IMAGES, 16, 180_000, (60_000, 20_000)),
        ("6x", COCO_IMAGES, 16, 540_000, (60_000, 20_000)),
        ("1x", COCO_IMAGES, 8, 180_000, (120_000, 40_000)),  # half the batch: twice the iterations
        ("3x", 100, 2, 1826, (406, 135)),  # 3 * 90,000 * 100 / 118,287 * 8 = 1826.07
    ],
)
def test_lengths_are_scaled_by_images_and_batch(text, num_images, batch_size, iterations, cuts):
    recipe = with_length(DenseRecipe(batch_size=batch_size), text, num_images)
    assert (recipe.iterations, recipe.cuts) == (iterations, cuts)


def test_the_warmup_takes_a_tenth_at_most():
    assert with_length(DenseRecipe(), "1x", COCO_IMAGES).warmup_iterations == 500
    assert with_length(DenseRecipe(batch_size=2), "1x", 100).warmup_iterations == 60  # of 609


def test_a_schedule_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"schedule 1x must have at least 3 iterations, got 2 with 3 images"):
        with_length(DenseRecipe(), "1x", 3)


@pytest.mark.parametrize(
    "text", ["", "x", "0x", "1", "1.5x", "-1x", "100x", "1X", "²x", "60", "60K", "0k", "6.5k", "1000000k", "it"]
)
def test_what_is_no_length_is_refused(text):
    with pytest.raises(
        ValueError, match=r"a schedule must be 1x, 2x, \.\. 99x, or iterations such as 60k or 600it, got"
    ):
        parse_length(text)


def test_the_rate_of_the_published_schedule():
    recipe = with_length(DenseRecipe(), "2x", COCO_IMAGES)
    rates = {
        0: 0.02 / 3,  # the warm-up begins at a third
        250: 0.02 * 2 / 3,
        499: 0.02 * (1 / 3 / 500 + 499 / 500),
        500: 0.02,
        119_999: 0.02,
        120_000: 0.002,  # the last 60,000 of 180,000
        159_999: 0.002,
        160_000: 0.0002,
        179_999: 0.0002,
    }
    for iteration, rate in rates.items():
        assert learning_rate(recipe, iteration) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("polynomial", 0.02 * 0.75**0.9), ("cosine", 0.01 * (1 + math.cos(math.pi / 4))), ("constant", 0.02)],
)
def test_other_schedules_at_a_quarter(schedule, expected):
    recipe = DenseRecipe(iterations=100, warmup_iterations=0, schedule=schedule)
    assert learning_rate(recipe, 25) == pytest.approx(expected)
    assert learning_rate(recipe, 0) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("text", "iterations", "cuts"),
    [
        ("220k", 220_000, (60_000, 20_000)),
        ("90k", 90_000, (60_000, 20_000)),
        ("60k", 60_000, (40_000, 13_333)),  # the rate cannot fall 60,000 iterations before the end
        ("900it", 900, (600, 200)),
    ],
)
def test_iterations_are_the_same_for_any_number_of_images(text, iterations, cuts):
    for num_images, batch_size in ((10_000, 16), (100, 2)):
        recipe = with_length(DenseRecipe(batch_size=batch_size), text, num_images)
        assert (recipe.iterations, recipe.cuts) == (iterations, cuts)


def test_iterations_keep_the_cuts_of_the_recipe():
    assert with_length(DenseRecipe(iterations=300, warmup_iterations=0, cuts=(100,)), "900it", 5).cuts == (100,)


def test_lengths_of_a_study_are_of_one_kind():
    check_lengths(["60k", "100000it", "220k"])
    check_lengths(["1x", "3x"])
    with pytest.raises(ValueError, match="must all be such as 2x, or all be such as 60k or 600it, got 99x, 60k"):
        check_lengths(["99x", "60k"])
