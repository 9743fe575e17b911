import numpy as np
import pytest

from nas.data.data_set import Split
from nas.data.splits import draw_splits, even_counts, proportional_counts, split_training_set
from nas.fidelity import DataSpec

CIFAR_LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5000))


@pytest.mark.parametrize("num_train", [None, 2000, 100])
def test_the_split_is_that_of_cifar10_at_every_size(num_train):
    train, validation = draw_splits(CIFAR_LABELS, DataSpec(num_train=num_train))
    total = num_train or 50_000
    assert (len(train), len(validation)) == (total * 9 // 10, total // 10)
    assert set(np.bincount(CIFAR_LABELS[train])) == {total * 9 // 100}
    assert set(np.bincount(CIFAR_LABELS[validation])) == {total // 100}
    assert not set(train) & set(validation)
    assert len(set(train)) + len(set(validation)) == total


def test_without_a_validation_fraction_all_images_are_trained_on_and_some_are_looked_at():
    labels = np.repeat(np.arange(2), 300)
    spec = DataSpec(validation_fraction=0)
    train, validation = draw_splits(labels, spec)
    assert train.tolist() == [*range(600)]
    assert np.bincount(labels[validation]).tolist() == [3, 3]
    pixels = np.random.default_rng(0).integers(0, 256, (600, 1, 8, 8), dtype=np.uint8)
    data = split_training_set(Split(pixels, labels), spec, class_names=("a", "b"), test=lambda: None)
    assert (len(data.train), len(data.validation)) == (600, 6)
    assert [*data.report.notices] == [
        "no images are held out (data.validation_fraction: 0): the validation accuracy is that of 6 training images "
        "and must not select anything"
    ]


def test_the_draw_depends_on_its_seed_alone():
    draws = [draw_splits(CIFAR_LABELS, DataSpec(num_train=200, split_seed=seed)) for seed in (3, 3, 4)]
    assert all(np.array_equal(first, second) for first, second in zip(draws[0], draws[1], strict=True))
    assert not np.array_equal(draws[0][1], draws[2][1])


@pytest.mark.parametrize(
    ("sizes", "total", "expected"),
    [([5, 5, 5], 9, [3, 3, 3]), ([5, 5, 5], 10, [4, 3, 3]), ([1, 9, 9], 11, [1, 5, 5]), ([2, 3], 5, [2, 3])],
)
def test_classes_give_equally_many_unless_they_have_too_few(sizes, total, expected):
    assert even_counts(np.array(sizes), total).tolist() == expected


@pytest.mark.parametrize(
    ("sizes", "total", "expected"), [([10, 30], 4, [1, 3]), ([10, 10, 11], 3, [1, 1, 1]), ([5, 9, 6], 7, [2, 3, 2])]
)
def test_shares_add_up_and_are_in_proportion(sizes, total, expected):
    assert proportional_counts(np.array(sizes), total).tolist() == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (DataSpec(num_train=21), "num_train must be at most 20, .* got 21"),
        (DataSpec(num_train=2), "each class needs 2 images or more, .*; class cat has 1 of the 2 images"),
    ],
)
def test_a_split_that_cannot_be_is_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        draw_splits(np.repeat([0, 1], 10), spec, class_names=("cat", "dog"))


def test_one_class_is_not_enough():
    split = Split(np.zeros((4, 1, 8, 8), np.uint8), np.zeros(4, np.int64))
    with pytest.raises(ValueError, match="at least 2 classes, got cat"):
        split_training_set(split, DataSpec(), class_names=("cat",), test=lambda: split)


def test_mean_and_deviation_are_those_of_the_training_split_alone():
    labels = np.repeat([0, 1], 20)
    train, validation = draw_splits(labels, DataSpec())
    images = np.zeros((40, 1, 8, 8), np.uint8)
    images[validation] = 255
    split = Split(images, labels)
    data = split_training_set(split, DataSpec(), class_names=("a", "b"), test=lambda: split)
    assert data.mean == (0.0,)
    assert len(data.train) == len(train) == 36
    assert data.validation.images.min() == 255


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("names", [True, False])
def test_every_class_of_a_long_tail_is_in_both_splits(fraction, names):
    sizes = [500, 100, 20, 5, 2]
    labels = np.repeat(np.arange(5), sizes)
    given = [f"{label}/{place}.png" for place, label in enumerate(labels)] if names else None
    train, validation = draw_splits(labels, DataSpec(validation_fraction=fraction), names=given)
    assert np.bincount(labels[train]).min() >= 1
    assert np.bincount(labels[validation]).min() >= 1
    assert sorted([*train, *validation]) == list(range(627))


def test_a_class_of_one_image_is_named():
    with pytest.raises(ValueError, match="class rare has 1 of the 21 images"):
        draw_splits(np.repeat([0, 1], [20, 1]), DataSpec(), class_names=("common", "rare"))


def hashed(labels, names, **settings):
    """The names in training and validation."""
    spec = DataSpec("image_folder", **settings)
    return [{names[index] for index in part} for part in draw_splits(labels, spec, names=names)]


def test_added_images_move_no_other_and_a_subset_is_no_exception():
    labels = np.repeat(np.arange(4), 250)
    names = [f"{label}/{place}.png" for place, label in enumerate(labels)]
    kept = np.random.default_rng(0).permutation(1000)[:700]
    for settings in ({}, {"num_train": 400}, {"split_seed": 5}):
        train, validation = hashed(labels, names, **settings)
        before = hashed(labels[kept], [names[index] for index in kept], **settings)
        assert not before[0] & validation
        assert not before[1] & train
    assert [len(part) for part in hashed(labels, names, num_train=400)] == [360, 40]
    share = len(hashed(labels, names, validation_fraction=0.3)[1]) / 1000
    assert abs(share - 0.3) < 0.06  # four standard deviations of a binomial share
    assert hashed(labels, names, split_seed=1)[1] != hashed(labels, names, split_seed=2)[1]


def test_the_shuffled_split_is_that_of_version_0_1_0():
    labels = np.repeat([0, 1], 10)
    names = [str(place) for place in range(20)]
    train, validation = draw_splits(labels, DataSpec("image_folder", split="shuffled"), names=names)
    generator = np.random.default_rng(0)
    expected = [int(generator.permutation(np.arange(first, first + 10))[0]) for first in (0, 10)]
    assert validation.tolist() == expected
    assert len(train) == 18
