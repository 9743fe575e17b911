"""Batches of streamed photographs: order, parts, where an epoch begins, evaluation."""

import pytest
import torch

from nas.recipe import TrainRecipe
from nas.streaming.batches import StreamedBatches, evaluation_batches

CPU = torch.device("cpu")


def batches_of(data, part=slice(None), seed=1, **settings):
    recipe = TrainRecipe(**{"batch_size": 6, "min_crop_area": 0.5, "color_jitter": 0.4, **settings})
    return StreamedBatches(data.train, data, recipe, size=8, seed=seed, device=CPU, part=part)


def images(batches, *place):
    return torch.cat([batches.load(*batch)[0] for batch in batches.epoch(*place)])


def test_an_epoch_has_every_photograph_once_but_those_of_a_smaller_last_batch(data):
    batches = batches_of(data, color_jitter=0)
    loaded = [batches.load(*batch) for batch in batches.epoch(0)]
    levels = torch.cat([images[:, 0, 0, 0] for images, _ in loaded]).round().tolist()
    found = [*zip(levels, torch.cat([labels for _, labels in loaded]).tolist(), strict=True)]
    assert len({*found}) == len(found) == 18
    assert all(level % 10 == 0 and label == level // 10 % 2 for level, label in found)
    assert len(batches_of(data)) == 20


def test_an_epoch_follows_from_seed_and_number_and_may_begin_anywhere(data):
    whole = images(batches_of(data), 2)
    assert whole.shape == (18, 3, 8, 8)
    assert torch.equal(images(batches_of(data, num_loaders=1), 2, 1), whole[6:])
    assert torch.equal(images(batches_of(data), 2, 3 - 1), whole[12:])
    assert not torch.equal(images(batches_of(data), 1), whole)
    assert not torch.equal(images(batches_of(data, seed=2), 2), whole)


def test_two_workers_see_together_what_one_sees(data):
    parts = [images(batches_of(data, slice(rank, None, 2)), 0) for rank in (0, 1)]
    together = torch.stack(parts, 1).flatten(0, 1)
    torch.testing.assert_close(together, images(batches_of(data), 0))  # a product rounds by its size


@pytest.mark.parametrize("channels_last", [True, False])
def test_evaluation_sees_each_photograph_once_in_order(data, channels_last):
    recipe = TrainRecipe(batch_size=8, channels_last=channels_last)
    batches = list(evaluation_batches(data.validation, data, recipe, CPU))
    assert [len(labels) for _, labels in batches] == [8, 8, 4]
    found = torch.cat([each[:, 0, 0, 0] for each, _ in batches])
    torch.testing.assert_close(found, torch.arange(20.0) * 10)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert batches[0][0].is_contiguous(memory_format=layout)
