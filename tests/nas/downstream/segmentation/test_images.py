"""Images and masks move together, by what the draw says alone."""

import dataclasses

import pytest
import torch

from nas.downstream.recipe import IMAGENET_MEAN, DenseRecipe
from nas.downstream.segmentation.classes import IGNORED
from nas.downstream.segmentation.data import read_folder
from nas.downstream.segmentation.images import SegmentationImages, scaled_size
from nas.downstream.segmentation.settings import SegmentationData
from nas.downstream.training import Draw

CPU = torch.device("cpu")
RECIPE = DenseRecipe(scales=(16, 40, 24), max_side=60)
DRAWS = [Draw(index % 4, seed) for index, seed in enumerate(range(24))]


@pytest.fixture
def folder(segmentation_folder):
    return read_folder(segmentation_folder, SegmentationData())


def make(folder, *, crop=24, **changes):
    return SegmentationImages(folder.train.pairs, folder.classes, dataclasses.replace(RECIPE, **changes), crop=crop)


def test_masks_stay_on_their_images(folder):
    """Red is class 0, blue 1, green 2, grey none: so it must be wherever the image is, but for blurred borders."""
    images, masks = make(folder).batch(DRAWS, CPU)
    assert images.shape == (24, 3, 24, 24)
    assert masks.shape == (24, 24, 24)
    assert (images.dtype, masks.dtype) == (torch.float32, torch.int64)
    strongest = images.argmax(1)
    for number, channel in ((0, 0), (1, 2), (2, 1)):
        right = (strongest[masks == number] == channel).float().mean()
        assert right > 0.9, number
    assert (masks == IGNORED).any()


def test_a_draw_decides_all(folder):
    first, again = (make(folder).batch(DRAWS[4:8], CPU) for _ in range(2))
    assert torch.equal(first[0], again[0])
    images = make(folder)
    alone = [images.batch([draw], CPU) for draw in reversed(DRAWS[4:8])]  # whatever was drawn before, or beside
    assert torch.equal(torch.cat([each[0] for each in reversed(alone)]), first[0])
    assert torch.equal(torch.cat([each[1] for each in reversed(alone)]), first[1])
    state = torch.get_rng_state()
    images.batch(DRAWS[:2], CPU)
    assert torch.equal(torch.get_rng_state(), state)


def test_all_scales_corners_and_both_directions_occur(folder):
    masks = make(folder).batch([Draw(0, seed) for seed in range(40)], CPU)[1]
    unlabelled = (masks == IGNORED).flatten(1).sum(1)  # padding, or the edge at the top, or a cut without it
    assert {0, 3 * 24, 24 * 24 - 14 * 24} == set(unlabelled.tolist())
    assert len({mask.numpy().tobytes() for mask in masks}) > 20
    red_left = [int((mask == 0).nonzero()[:, 1].float().mean() < 12) for mask in masks if (mask == 0).any()]
    assert 0 < sum(red_left) < len(red_left)
    unmirrored = make(folder, flip=False).batch([Draw(0, seed) for seed in range(40)], CPU)[1]
    both = [mask for mask in unmirrored if (mask == 0).any() and (mask == 1).any()]
    assert all((m == 0).nonzero()[:, 1].min() < (m == 1).nonzero()[:, 1].min() for m in both)


def test_what_is_padded_is_grey_and_counts_nowhere(folder):
    images, masks = make(folder, crop=40, scales=(16,)).batch([Draw(0, 1)], CPU)
    assert (masks[0, 16:] == IGNORED).all()
    assert torch.allclose(images[0, :, 30, 30], torch.tensor(IMAGENET_MEAN), atol=1 / 255)


def test_a_whole_image_keeps_the_size_of_its_mask(folder):
    image, truth = make(folder).whole(1)
    assert (image.shape, image.dtype) == ((3, 24, 34), torch.uint8)
    assert (truth.shape, truth.dtype) == ((21, 30), torch.uint8)
    assert set(truth.unique().tolist()) == {0, 1, 2, IGNORED}


def test_what_is_kept_is_what_was_read(folder, monkeypatch):
    """With and without memory for decoded images, the batches are the same."""
    kept = make(folder)
    first = kept.batch(DRAWS, CPU)
    monkeypatch.setattr("nas.downstream.segmentation.images._MOST_BYTES", 0)
    forgetful = make(folder)
    assert torch.equal(forgetful.batch(DRAWS, CPU)[0], first[0])
    for pair in folder.train.pairs:
        pair.image.unlink()
    assert torch.equal(kept.batch(DRAWS, CPU)[0], first[0])
    with pytest.raises(ValueError, match=r"0\.jpg"):
        forgetful.batch(DRAWS, CPU)


def test_sizes():
    assert scaled_size(20, 30, shorter=40, longer=100) == [40, 60]
    assert scaled_size(30, 20, shorter=40, longer=45) == [45, 30]
    assert scaled_size(1, 500, shorter=8, longer=100) == [1, 100]
