import numpy as np
import pytest
from PIL import Image

from nas.data.data_set import Split
from nas.data.resize import resize_split


def make_split(size=32):
    # smooth pictures: two ways of rounding may then differ by little only
    rows, columns = np.mgrid[0:size, 0:size] / size
    images = np.stack([127 + 120 * np.sin(3 * rows + k) * np.cos(2 * columns) for k in range(6)]).reshape(
        2, 3, size, size
    )
    return Split(images.astype(np.uint8), np.array([0, 1]))


@pytest.mark.parametrize("size", [None, 32])
def test_images_of_the_right_size_stay_as_they_are(size):
    split = make_split()
    assert resize_split(split, size) is split


@pytest.mark.parametrize("size", [8, 20, 48])
def test_images_are_resized_as_pillow_does(size):
    split = make_split()
    resized = resize_split(split, size)
    assert resized.images.shape == (2, 3, size, size)
    assert resized.labels is split.labels
    for before, after in zip(split.images, resized.images, strict=True):
        expected = Image.fromarray(before.transpose(1, 2, 0)).resize((size, size), Image.Resampling.BILINEAR)
        difference = np.asarray(expected).transpose(2, 0, 1).astype(int) - after
        assert np.abs(difference).max() <= 1
