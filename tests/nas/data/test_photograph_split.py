"""Photographs read like an array of center squares."""

import copy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data.photograph_split import Photographs, PhotographSplit

LEVELS = (10, 60, 110, 160, 210)


@pytest.fixture
def split(tmp_path):
    for level in LEVELS:
        image = Image.new("RGB", (24, 16), (level, 0, 255))
        image.paste((0, 0, 0), (0, 0, 4, 16))  # outside the center square
        image.save(tmp_path / f"{level}.png")
    names = np.array([f"{level}.png".encode() for level in LEVELS])
    photographs = Photographs(tmp_path, names, np.arange(5), 8, 8)
    return PhotographSplit(photographs, np.array([0, 1, 0, 1, 0]))


def levels(images):
    assert images.dtype == np.uint8
    assert (images[:, 2] == 255).all()
    return [int(value) for value in images[:, 0, 0, 0]]


def test_squares_are_decoded_at_each_access(split):
    assert split.images.shape == (5, 3, 8, 8)
    assert len(split) == 5
    assert split.image(1).shape == (3, 8, 8)
    assert split.image(1)[0, 0, 0] == 60
    assert levels(split.images[1:4:2]) == [60, 160]
    assert levels(split.images[np.array([4, 0])]) == [210, 10]
    assert levels(np.asarray(split.images)) == [*LEVELS]
    (split.photographs.path(2)).unlink()
    with pytest.raises(ValueError, match=r"110\.png is not an image"):
        split.image(2)


def test_parts_are_not_decoded(split):
    for path in split.photographs.folder.iterdir():
        path.unlink()
    for some, known, labels in (
        (split.take(np.array([3, 1])), ["160.png", "60.png"], [1, 1]),
        (split.part(slice(1, None, 2)), ["60.png", "160.png"], [1, 1]),
        (split.thumbnails(3, size=4), ["10.png", "110.png", "210.png"], [0, 0, 0]),
    ):
        assert [some.photographs.path(place).name for place in range(len(some))] == known
        assert some.labels.tolist() == labels
    assert split.thumbnails(3, size=4).images.shape == (3, 3, 4, 4)
    assert split.center_crop(6).images.shape == (5, 3, 6, 6)


def test_a_smaller_crop_is_the_middle_of_the_same_square(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    split = PhotographSplit(Photographs(Path(tmp_path), np.array([b"a.png"]), np.arange(1), 8, 8), np.zeros(1, int))
    assert np.array_equal(split.image(0).transpose(1, 2, 0), pixels[:, 2:10])
    assert np.array_equal(split.center_crop(4).image(0).transpose(1, 2, 0), pixels[2:6, 4:8])


def test_a_copied_split_keeps_its_files(split):
    there = copy.deepcopy(split)
    assert levels(there.images[:2]) == [10, 60]
