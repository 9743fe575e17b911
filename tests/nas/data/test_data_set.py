import pickle

import numpy as np
import pytest

from nas.data.data_set import DataSet, Split, channel_statistics


def make_split(num_images=4, channels=3, size=8):
    return Split(np.zeros((num_images, channels, size, size), np.uint8), np.arange(num_images) % 2)


def make_data(**changes):
    members = {
        "train": make_split(),
        "validation": make_split(2),
        "test": make_split,
        "class_names": ("cat", "dog"),
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
    }
    return DataSet(**{**members, **changes})


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 3, 8, 8), np.float32), np.zeros(2, np.int64), "images must be uint8 .* got float32"),
        (np.zeros((2, 8, 8), np.uint8), np.zeros(2, np.int64), r"got uint8 of shape \(2, 8, 8\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), np.zeros(3, np.int64), r"labels must be int64 of shape \(2,\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), np.zeros(2, np.int32), "got int32"),
        (np.zeros((0, 3, 8, 8), np.uint8), np.zeros(0, np.int64), "at least 1 image"),
    ],
)
def test_a_split_refuses_arrays_that_do_not_fit(images, labels, message):
    with pytest.raises(ValueError, match=message):
        Split(images, labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": make_split(size=9)}, "must have one shape"),
        ({"mean": (0.5,)}, "3 numbers, one a channel, got 1 and 3"),
        ({"std": (0.25, 0.0, 0.25)}, "above 0"),
        ({"class_names": ("cat",)}, r"labels must be 0\.\.0, one for each class, got 1"),
    ],
)
def test_a_data_set_refuses_parts_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        make_data(**changes)


def test_sizes_are_those_of_the_images():
    data = make_data()
    assert (len(data.train), data.num_channels, data.image_size) == (4, 3, (8, 8))


def test_the_test_images_are_opened_only_when_asked_for():
    opened = []

    def open_test():
        opened.append(1)
        return make_split()

    data = make_data(test=open_test)
    assert not opened
    assert len(data.load_test()) == 4
    assert opened == [1]


def test_a_data_set_keeps_its_arrays_when_it_travels():
    data = make_data()
    buffers = []
    copy = pickle.loads(  # noqa: S301 - what Ray does with it
        pickle.dumps(data, protocol=5, buffer_callback=buffers.append), buffers=buffers
    )
    assert np.shares_memory(copy.train.images, data.train.images)
    assert copy.class_names == data.class_names


def test_statistics_are_those_of_the_values_where_white_is_1():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 2, 3)))
    np.testing.assert_allclose(std, (images / 255).std((0, 2, 3)))


def test_statistics_are_counted_in_blocks_of_limited_size(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (11, 2, 4, 4), dtype=np.uint8)
    whole, count, sizes = channel_statistics(images), np.bincount, []

    def watched(values, **options):
        sizes.append(len(values))
        return count(values, **options)

    monkeypatch.setattr("nas.data.data_set._BLOCK_PIXELS", 4 * 16)
    monkeypatch.setattr(np, "bincount", watched)
    assert channel_statistics(images) == whole
    assert sum(sizes) == images.size
    assert max(sizes) == 4 * 16


def test_a_channel_that_never_varies_can_still_be_divided_by_its_deviation():
    assert channel_statistics(np.full((2, 1, 4, 4), 255, np.uint8)) == ((1.0,), (1 / 255,))
