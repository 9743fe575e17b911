import numpy as np
import pytest
import torch

from nas.data.data_set import DataSet, Split
from nas.recipe import TrainRecipe
from nas.training.batches import MemoryBatches, choose_batches
from nas.training.parallel import Members
from nas.training.photographs import PhotographBatches

CPU, ALONE = torch.device("cpu"), Members()


@pytest.fixture
def data():
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 8, 8), dtype=np.uint8)
    split = Split(images, np.arange(12) % 2)
    return DataSet(split, split, lambda: split, ("a", "b"), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def choose(data, recipe, size=None):
    return choose_batches(data, recipe, seed=0, size=size, device=CPU, members=ALONE)


@pytest.mark.parametrize(
    ("settings", "size", "kind"),
    [
        ({}, None, MemoryBatches),
        ({}, 8, MemoryBatches),
        ({}, 6, PhotographBatches),
        ({"color_jitter": 0.4}, None, PhotographBatches),
        ({"min_crop_area": 0.08}, 12, PhotographBatches),
    ],
)
def test_photographs_where_images_are_changed_one_by_one_or_cropped(data, settings, size, kind):
    assert type(choose(data, TrainRecipe(**settings), size)) is kind


def test_images_are_not_blown_up_unless_crops_of_any_size_are_taken(data):
    with pytest.raises(ValueError, match="at least the 12 pixels that the network takes, got 8"):
        choose(data, TrainRecipe(), 12)


RECIPE = TrainRecipe(batch_size=6, crop_padding=2, cutout=3)


def memory_batches(data, members=ALONE):
    return MemoryBatches(data, RECIPE, seed=1, device=CPU, members=members)


def loaded(batches, epoch):
    return [batches.load(*drawn) for drawn in batches.epoch(epoch)]


def test_two_workers_see_together_what_one_sees(data):
    alone, *parts = (memory_batches(data, members) for members in (ALONE, Members(0, 2), Members(1, 2)))
    for epoch in range(2):
        images, labels = map(torch.cat, zip(*loaded(alone, epoch), strict=True))
        shares = [tuple(map(torch.cat, zip(*loaded(part, epoch), strict=True))) for part in parts]
        assert torch.equal(torch.stack([share[0] for share in shares], 1).flatten(0, 1), images)
        assert torch.equal(torch.stack([share[1] for share in shares], 1).flatten(), labels)


def test_epochs_go_on_where_they_were(data):
    batches = memory_batches(data)
    first = [images for images, _ in loaded(batches, 0)]
    state = batches.generator.get_state()
    second = [images for images, _ in loaded(batches, 1)]
    other = memory_batches(data)
    other.generator.set_state(state)
    assert all(torch.equal(a, b) for a, b in zip(second, (images for images, _ in loaded(other, 1)), strict=True))
    assert not torch.equal(first[0], second[0])
