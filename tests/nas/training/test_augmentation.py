import itertools

import numpy as np
import pytest
import torch

from nas.data.data_set import DataSet, Split
from nas.fidelity import TrainRecipe
from nas.training.augmentation import (
    ImageSource,
    augmented_batch,
    cutout,
    from_numpy,
    num_batches,
    shuffled_batches,
)

CPU = torch.device("cpu")


def make_data(num_images=6, channels=3, size=8):
    """Images in which every pixel of every image is different from its neighbours."""
    generator = np.random.default_rng(0)
    images = generator.integers(1, 256, (num_images, channels, size, size), dtype=np.uint8)
    split = Split(images, generator.integers(0, 2, num_images))
    mean, std = tuple(0.1 * (c + 1) for c in range(channels)), tuple(0.2 * (c + 1) for c in range(channels))
    return DataSet(split, split, lambda: split, ("a", "b"), mean, std)


def normalized(data, images):
    shape = (1, -1, 1, 1)
    mean, std = np.reshape(data.mean, shape), np.reshape(data.std, shape)
    return torch.tensor((images / 255 - mean) / std, dtype=torch.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("channels_last", [True, False])
def test_a_batch_holds_the_normalized_images_in_the_order_asked_for(channels, padding, channels_last):
    data = make_data(channels=channels)
    source = ImageSource(data.train, data, padding=padding, device=CPU, channels_last=channels_last)
    indices = torch.tensor([5, 0, 0, 3])

    images = source.batch(indices)

    torch.testing.assert_close(images, normalized(data, data.train.images[indices]), rtol=1e-5, atol=1e-6)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert images.is_contiguous(memory_format=layout)
    assert source.labels.tolist() == data.train.labels.tolist()


def test_a_crop_is_a_window_of_the_image_padded_with_black():
    data = make_data()
    padded = np.pad(data.train.images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    source = ImageSource(data.train, data, padding=2, device=CPU)
    corners = list(itertools.product(range(5), range(5)))
    indices = torch.arange(len(corners)) % 6
    top, left = (torch.tensor(values)[:, None] for values in zip(*corners, strict=True))
    flip = (torch.arange(len(corners)) % 3 == 0)[:, None]

    crops = source.crop(indices, top=top, left=left, flip=flip)

    for number, (row, column) in enumerate(corners):
        window = padded[number % 6, :, row : row + 8, column : column + 8]
        window = window[:, :, ::-1] if number % 3 == 0 else window
        expected = normalized(data, window[None])[0]
        torch.testing.assert_close(crops[number], expected, rtol=1e-5, atol=1e-6)


def test_augmentation_draws_all_offsets_and_both_directions():
    data = make_data(num_images=1)
    recipe = TrainRecipe(crop_padding=1, flip=True)
    source = ImageSource(data.train, data, padding=1, device=CPU)
    indices = torch.zeros(600, dtype=torch.int64)

    images = augmented_batch(source, indices, recipe, torch.Generator().manual_seed(0))

    different, counts = images.flatten(1).unique(dim=0, return_counts=True)
    assert len(different) == 3 * 3 * 2
    assert counts.min() > 600 / 18 / 3  # the chance of fewer than 11 where 33 are expected is below 1e-5


def test_augmentation_depends_on_the_generator_alone():
    data = make_data()
    recipe = TrainRecipe(cutout=3)
    source = ImageSource(data.train, data, padding=4, device=CPU)
    batches = [
        augmented_batch(source, torch.arange(6), recipe, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    ]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_nothing_is_changed_when_everything_is_off():
    data = make_data()
    recipe = TrainRecipe(crop_padding=0, flip=False)
    source = ImageSource(data.train, data, device=CPU)
    generator = torch.Generator().manual_seed(0)
    images = augmented_batch(source, torch.arange(6), recipe, generator)
    assert torch.equal(images, source.batch(torch.arange(6)))
    assert len(source) == 6


def test_cutout_blanks_one_square_that_may_hang_over_the_edge():
    images = cutout(torch.ones(400, 3, 8, 8), 4, torch.Generator().manual_seed(0))
    blank = (images == 0).all(1)
    assert torch.equal(blank, (images == 0).any(1))  # the same in all channels
    for square in blank:
        rows, columns = square.any(1), square.any(0)
        assert torch.equal(square, rows[:, None] & columns[None, :])
        assert 2 <= rows.sum() <= 4
        assert 2 <= columns.sum() <= 4
    assert blank.float().mean(0).min() > 0.02  # every pixel is hit
    assert {int(square.sum()) for square in blank} >= {4, 16}


def test_every_epoch_takes_every_image_at_most_once_in_batches_of_one_size():
    generator = torch.Generator().manual_seed(0)
    first, second = (list(shuffled_batches(10, 4, generator)) for _ in range(2))
    assert [len(batch) for batch in first] == [4, 4]
    assert len(set(torch.cat(first).tolist())) == 8
    assert torch.cat(first).tolist() != torch.cat(second).tolist()


@pytest.mark.parametrize(("num_images", "batch_size", "expected"), [(10, 4, 2), (8, 4, 2), (3, 4, 1), (1, 4, 1)])
def test_a_split_smaller_than_a_batch_is_one_batch(num_images, batch_size, expected):
    batches = list(shuffled_batches(num_images, batch_size, torch.Generator().manual_seed(0)))
    assert len(batches) == num_batches(num_images, batch_size) == expected
    assert len(batches[0]) == min(num_images, batch_size)


def test_a_read_only_array_becomes_a_tensor_without_a_copy_or_a_warning():
    array = np.arange(3)
    array.flags.writeable = False
    tensor = from_numpy(array)
    assert tensor.data_ptr() == array.ctypes.data
