"""Loaders: same batches with any number of processes, processes that stay, damaged photographs."""

import multiprocessing

import numpy as np
import pytest
import torch

from nas.recipe import TrainRecipe
from nas.streaming.crops import CropDraw
from nas.streaming.loader import CropLoader

DRAW = CropDraw(TrainRecipe(min_crop_area=0.08, color_jitter=0.4), 1, 8, 1.0)
TASKS = [(0, np.array([3, 1, 4])), (0, np.array([15, 9])), (1, np.array([3, 1, 4]))]


def numbers(batch):
    return (batch.pixels[:, 0, 0, 0] // 10).tolist()


def test_processes_stay_and_load_the_same_batches(split):
    state = torch.get_rng_state()
    here = list(CropLoader(split, DRAW, num_loaders=0).batches(TASKS))
    assert [numbers(batch) for batch in here] == [[3, 1, 4], [15, 9], [3, 1, 4]]
    assert here[0].labels.tolist() == [1, 1, 0]
    assert here[0].pixels.dtype == torch.uint8
    assert not torch.equal(here[0].draws, here[2].draws)  # another epoch
    loader = CropLoader(split, DRAW, num_loaders=1)
    known = None
    for _ in range(2):
        for batch, other in zip(loader.batches(TASKS), here, strict=True):
            assert all(torch.equal(mine, theirs) for mine, theirs in zip(batch[:3], other[:3], strict=True))
        processes = {each.pid for each in multiprocessing.active_children()}
        assert known in (None, processes)
        known = processes
    assert torch.equal(torch.get_rng_state(), state)


def test_center_squares_are_not_augmented(split):
    (batch,) = CropLoader(split, None, num_loaders=0).batches([(0, np.arange(20))])
    assert numbers(batch) == [*range(20)]
    assert not batch.draws.any()


@pytest.mark.parametrize("num_loaders", [0, 1])
def test_a_damaged_photograph_stops_with_one_line(damaged, num_loaders):
    loader = CropLoader(damaged(skip=False), DRAW, num_loaders=num_loaders)
    with pytest.raises(ValueError, match=r"^\S*/1\.png is not an image that can be decoded: [^\n]*$"):
        list(loader.batches(TASKS))


def test_a_damaged_photograph_is_replaced_by_the_next_good_one(damaged):
    loader = CropLoader(damaged(skip=True), DRAW, num_loaders=0)
    batches = list(loader.batches(TASKS))
    assert [numbers(batch) for batch in batches] == [[3, 3, 4], [15, 9], [3, 3, 4]]
    assert batches[0].labels.tolist() == [1, 1, 0]
    assert [message.split(" ")[0].rpartition("/")[2] for message in loader.damaged] == ["1.png", "2.png"]


def test_evaluation_leaves_damaged_photographs_out(damaged):
    (batch,) = CropLoader(damaged(skip=True), None, num_loaders=0).batches([(0, np.arange(5))])
    assert numbers(batch) == [0, 3, 4]
    assert batch.labels.tolist() == [0, 1, 0]
