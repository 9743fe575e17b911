import numpy as np
import pytest

from nas.data.digits import load_digits
from nas.fidelity import DataSpec


def test_the_split_is_fixed_and_in_proportion():
    data = load_digits(DataSpec())
    test = data.load_test()
    assert (len(data.train), len(data.validation), len(test)) == (1293, 144, 360)
    for split in (data.train, data.validation, test):
        counts = np.bincount(split.labels, minlength=10)
        assert counts.max() - counts.min() <= 0.2 * counts.mean()
    assert data.class_names == tuple("0123456789")


def test_images_are_grey_and_use_the_whole_range():
    data = load_digits(DataSpec())
    assert data.train.images.shape[1:] == (1, 8, 8)
    assert (data.train.images.min(), data.train.images.max()) == (0, 255)
    assert data.mean[0] == pytest.approx(0.306, abs=0.01)


def test_no_test_image_is_among_the_others_whatever_the_seed_of_the_split():
    first, second = (load_digits(DataSpec(split_seed=seed)) for seed in (0, 1))
    assert not np.array_equal(first.validation.images, second.validation.images)
    assert np.array_equal(first.load_test().images, second.load_test().images)
    seen = {image.tobytes() for split in (second.train, second.validation) for image in split.images}
    assert sum(image.tobytes() in seen for image in second.load_test().images) == 0


def test_a_subset_and_another_size_can_be_asked_for():
    data = load_digits(DataSpec(num_train=500, image_size=16, validation_fraction=0.2))
    assert (data.train.images.shape, len(data.validation)) == ((400, 1, 16, 16), 100)
    assert data.load_test().images.shape == (360, 1, 16, 16)
