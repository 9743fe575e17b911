from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.load import load_data
from nas.edge_cell import EdgeCell
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.sharing.keys import shared_tensors
from nas.sharing.store import WeightStore
from nas.sharing.training import SharedPlan, borrow, give_back, train_borrowed, validate_borrowed
from nas.training.initial import build_initial
from nas.training.objective import DivergedError

CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "conv_1x1")),))
BLOCKS, EDGES = Architecture(CELL, CELL), EdgeCell(("nor_conv_3x3", "skip_connect", "nor_conv_1x1"))
SPEC = NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=1)
RECIPE = TrainRecipe(epochs=4, batch_size=16, learning_rate=0.1, crop_padding=0, flip=False)


@pytest.fixture(scope="module")
def data():
    return load_data(DataSpec("digits", num_train=120, validation_fraction=0.2))  # 96 to train on: 6 steps an epoch


def build(architecture=BLOCKS, seed=1):
    return build_initial(architecture, SPEC, RECIPE, seed=seed)


def plan(number, steps=4, **changes):
    return SharedPlan(replace(RECIPE, **changes), steps, number, seed=100 + number)


def values(network):
    return {key: tensor.clone() for key, tensor in shared_tensors(network).items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("architecture", [BLOCKS, EDGES], ids=["blocks", "edges"])
def test_a_trial_goes_on_where_another_one_stopped(data, architecture):
    store = WeightStore(None, SPEC)
    first = build(architecture)
    result, receipt = train_borrowed(first, data, plan(0), store)
    assert result.learning_rate == pytest.approx(0.1, rel=0.05)  # the first steps of 24 on a cosine
    assert receipt.num_tensors == len(values(first))
    heir = build(architecture, seed=2)
    assert not equal(values(heir), values(first))
    borrow(heir, store)
    assert equal(values(heir), values(first))


def test_the_recipe_is_that_of_all_trials_together(data):
    assert plan(0).num_parts(96) == 6  # 4 epochs of 6 steps, 4 for each trial
    assert plan(0, steps=5).num_parts(96) == 5
    store = WeightStore(None, SPEC)
    rates = [train_borrowed(build(), data, plan(number), store)[0].learning_rate for number in range(6)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.002
    before = {key: store.lend([key]).tensors[key] for key in values(build())}
    late = build(seed=5)
    assert train_borrowed(late, data, plan(6), store) is None
    assert equal(values(late), before)
    assert train_borrowed(build(), data, plan(0, steps=0), store) is None


def test_warmup_and_decay_keep_their_epochs(data):
    changes = {"schedule": "step", "decay_every": 2.0, "warmup_epochs": 1.0}
    rates = [
        train_borrowed(build(), data, plan(number, **changes), WeightStore(None, SPEC))[0].learning_rate
        for number in (0, 1, 2, 3)
    ]
    assert rates == pytest.approx([0.1 * 4 / 6, 0.1, 0.1, 0.01])  # 6 steps of warmup; a tenth after 12


def test_a_trial_is_determined_by_its_number_seed_and_what_it_borrows(data):
    results = []
    for seed in (7, 7, 8):
        network = build()
        train_borrowed(network, data, replace(plan(0), seed=seed), WeightStore(None, SPEC))
        results.append(values(network))
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


def test_two_trials_at_a_time_lose_nothing(data):
    store = WeightStore(None, SPEC)
    train_borrowed(build(), data, plan(0), store)
    start = values(build())
    borrow(base := build(), store)
    start = values(base)
    one, other = build(), build()
    loans = [borrow(network, store) for network in (one, other)]
    for number, network in enumerate((one, other)):
        for tensor in shared_tensors(network).values():
            tensor.add_(1 + number)
    receipts = [give_back(network, loan, store) for network, loan in zip((one, other), loans, strict=True)]
    assert [receipt.num_stale for receipt in receipts] == [0, len(start)]
    borrow(end := build(), store)
    for key, tensor in values(end).items():
        torch.testing.assert_close(tensor, start[key] + 3)


def test_a_training_that_diverges_gives_nothing_back(data):
    store = WeightStore(None, SPEC)
    with pytest.raises(DivergedError):
        train_borrowed(build(), data, plan(0, learning_rate=1e30, gradient_clip=0.0), store)
    assert len(store) == 0


def test_validation_uses_the_statistics_of_its_batches(data):
    """Running statistics, here those of noise, make no difference; nor does the order of the images by class."""
    first, other = build(), build()
    for module in other.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.fill_(50.0)
    accuracies = [validate_borrowed(network, data, RECIPE) for network in (first, other)]
    assert accuracies[0] == accuracies[1]
    assert 0 <= accuracies[0] <= 1


def test_more_steps_than_images_take_each_as_often(data):
    store = WeightStore(None, SPEC)
    result, _ = train_borrowed(build(), data, plan(0, steps=13), store)
    assert result.loss > 0
    assert plan(0, steps=13).num_parts(96) == 2


def test_the_last_trial_has_the_steps_that_are_left(data):
    assert [plan(number, steps=13).steps(96) for number in range(4)] == [13, 11, 0, 0]  # of 24
    assert plan(0, steps=300).steps(96) == 24
    networks = [build(), build()]
    for network, steps in zip(networks, (24, 300), strict=True):
        store = WeightStore(None, SPEC)
        train_borrowed(network, data, plan(0, steps=steps), store)
        assert train_borrowed(build(), data, plan(1, steps=steps), store) is None
    assert equal(*map(values, networks))


@pytest.mark.parametrize("late", [5, 6])
def test_the_store_is_saved_when_the_training_is_over(data, late, tmp_path):
    """By the last trial that trains, and, should others have come later, by each one that follows."""
    path = tmp_path / "shared.safetensors"
    store = WeightStore(path, SPEC, checkpoint_trials=100)
    train_borrowed(build(), data, plan(4), store)
    assert not path.exists()
    train_borrowed(build(), data, plan(late), store)
    kept = build(seed=9)
    borrow(kept, WeightStore(path, SPEC))
    held = build(seed=8)
    borrow(held, store)
    assert equal(values(kept), values(held))
