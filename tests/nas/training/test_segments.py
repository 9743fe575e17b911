from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.load import load_data
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.training.initial import build_initial
from nas.training.loop import train
from nas.training.segments import train_until

CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "conv_1x1")),))
SPEC = NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=1)
RECIPE = TrainRecipe(epochs=3, batch_size=32, learning_rate=0.1, crop_padding=1, flip=False)


@pytest.fixture(scope="module")
def data():
    return load_data(DataSpec("digits", num_train=120, validation_fraction=0.2))


def build():
    return build_initial(Architecture(CELL, CELL), SPEC, RECIPE, seed=1)


def equal(one, other):
    return all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_segments_give_the_network_of_one_training(data, tmp_path):
    whole = build()
    expected = train(whole, data, RECIPE, seed=7).epochs
    state = tmp_path / "states" / "trial-0.safetensors"
    for epoch in (1, 3):
        network = build()
        last = train_until(network, data, RECIPE, seed=7, epoch=epoch, state=state, plan="a")
        assert (last.loss, last.accuracy) == (expected[epoch - 1].loss, expected[epoch - 1].accuracy)
        assert state.exists() == (epoch < 3)
    assert equal(network, whole)


def test_a_segment_that_is_done_is_not_trained_again(data, tmp_path, monkeypatch):
    state = tmp_path / "trial-0.safetensors"
    first, again = build(), build()
    last = train_until(first, data, RECIPE, seed=7, epoch=1, state=state, plan="a")
    monkeypatch.setattr("nas.training.loop.Training.run_epoch", lambda _training: pytest.fail("trained again"))
    assert train_until(again, data, RECIPE, seed=7, epoch=1, state=state, plan="a") == last
    assert equal(first, again)


def test_a_state_of_another_training_or_no_state_is_ignored(data, tmp_path):
    state = tmp_path / "trial-0.safetensors"
    train_until(build(), data, replace(RECIPE, learning_rate=0.01), seed=7, epoch=1, state=state, plan="other")
    first, again = build(), build()
    train_until(first, data, RECIPE, seed=7, epoch=1, state=state, plan="a")
    state.write_bytes(b"torn")
    train_until(again, data, RECIPE, seed=7, epoch=1, state=state, plan="a")
    assert equal(first, again)


@pytest.mark.parametrize("epoch", [0, 4])
def test_an_epoch_beyond_the_end_is_refused(data, tmp_path, epoch):
    with pytest.raises(ValueError, match=rf"can pause after 1\.\.3, got {epoch}"):
        train_until(build(), data, RECIPE, seed=7, epoch=epoch, state=tmp_path / "x", plan="a")
