from __future__ import annotations

from dataclasses import replace

import pytest

from nas.data.load import load_data
from nas.edge_cell import EdgeCell
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.files.storage import StorageError
from nas.sharing.store import WeightStore
from nas.trial import Failure, Success
from workers.evaluators.shared_weights import SharedWeightsSettings, shared_weights

FIDELITY = Fidelity(
    NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=1),
    TrainRecipe(epochs=2, batch_size=16, learning_rate=0.1, crop_padding=0, flip=False),
    DataSpec("digits", num_train=120, validation_fraction=0.2),
    shared_steps=3,
)
CELL = EdgeCell(("nor_conv_3x3",))


@pytest.fixture(scope="module")
def data():
    return load_data(FIDELITY.data)


@pytest.fixture
def trial(make_trial):
    return replace(make_trial(0), architecture=CELL, fidelity=FIDELITY)


@pytest.fixture
def store():
    return WeightStore(None, FIDELITY.network)


def test_a_trial_trains_the_shared_weights_and_is_measured(data, trial, store):
    outcome = shared_weights(trial, data=data, store=store)
    assert isinstance(outcome, Success)
    assert outcome.num_parameters > 0
    assert {"train_loss", "train_accuracy", "num_stale", "num_dropped", "staleness"} <= set(outcome.metrics)
    assert outcome.metrics["num_tensors"] == len(store) > 0
    assert outcome.metrics["num_bytes"] == store.num_bytes > 0


def test_after_the_last_epoch_a_trial_is_only_measured(data, trial, store):
    shared_weights(trial, data=data, store=store)
    held = store.lend(["stem.0.weight[4x1x3x3]"])
    for late in (replace(trial, id=1000), replace(trial, fidelity=replace(FIDELITY, shared_steps=0))):
        outcome = shared_weights(late, data=data, store=store)
        assert isinstance(outcome, Success)
        assert outcome.metrics == {}
    assert store.lend(["stem.0.weight[4x1x3x3]"]).versions == held.versions


@pytest.mark.parametrize(
    ("fidelity", "limits", "kind", "text"),
    [
        (replace(FIDELITY, shared_steps=None), {}, "error", "needs a fidelity with shared_steps, got None"),
        (FIDELITY, {"max_parameters": 10}, "too_large", "at most 10 parameters"),
        (
            replace(FIDELITY, recipe=replace(FIDELITY.recipe, learning_rate=1e30, gradient_clip=0)),
            {},
            "diverged",
            "must be finite",
        ),
    ],
)
def test_what_cannot_be_measured_is_a_failure(data, trial, store, fidelity, limits, kind, text):
    outcome = shared_weights(replace(trial, fidelity=fidelity), data=data, store=store, **limits)
    assert isinstance(outcome, Failure)
    assert outcome.kind == kind
    assert text in outcome.error
    assert len(store) == 0


def test_a_checkpoint_that_cannot_be_written_ends_the_search(data, trial, tmp_path):
    broken = WeightStore(tmp_path / "missing" / "shared.safetensors", FIDELITY.network, checkpoint_trials=1)
    with pytest.raises(StorageError, match="cannot be written"):
        shared_weights(trial, data=data, store=broken)


@pytest.mark.parametrize("settings", [{"steps": 0}, {"max_staleness": -1}, {"checkpoint_trials": 0}, {"draws": 1}])
def test_bad_settings_are_refused(settings):
    with pytest.raises((ValueError, TypeError)):
        SharedWeightsSettings(**settings)
