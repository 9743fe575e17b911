import errno
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.data.load import load_data
from nas.decisions import Rollout
from nas.edge_cell import EdgeCell
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.files.storage import StorageError
from nas.models.checkpoint import load_checkpoint
from nas.shifts.measure import ShiftPlan
from nas.training.loop import accuracy
from nas.trial import Failure, Success, Trial
from workers.evaluators import train_and_validate as evaluate
from workers.evaluators.train_and_validate import check_fits, train_and_validate
from workers.evaluators.zero_cost import ZeroCostSettings, zero_cost

CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "conv_1x1")),))
FIDELITY = Fidelity(
    NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=1),
    TrainRecipe(epochs=1, batch_size=32, learning_rate=0.1, crop_padding=0, flip=False),
    DataSpec("digits", num_train=300, validation_fraction=0.2),
)


@pytest.fixture(scope="module")
def data():
    return load_data(FIDELITY.data)


def make_trial(**changes):
    trial = Trial(3, Rollout((0,), -1.0), Architecture(CELL, CELL), FIDELITY, seed=5)
    return replace(trial, **changes)


def test_a_trial_is_trained_and_measured_on_the_validation_split(data, tmp_path):
    outcome = train_and_validate(make_trial(), data=data, weights_dir=str(tmp_path))

    assert isinstance(outcome, Success)
    assert outcome.trial_id == 3
    assert outcome.num_parameters > 0
    assert outcome.num_multiply_adds > 0
    assert outcome.train_seconds > 0
    assert set(outcome.metrics) == {"train_loss", "train_accuracy"}
    assert all(math.isfinite(value) for value in outcome.metrics.values())
    checkpoint = load_checkpoint(tmp_path / "trial-3.safetensors")
    assert checkpoint.accuracy == outcome.accuracy
    assert accuracy(checkpoint.network, data.validation, data, FIDELITY.recipe) == outcome.accuracy


def test_a_trial_gives_the_same_again_and_leaves_torchs_generator_alone(data, tmp_path):
    state = torch.get_rng_state()
    first, second, other = (train_and_validate(make_trial(seed=seed), data=data) for seed in (5, 5, 6))
    assert first.metrics == second.metrics
    assert first.accuracy == second.accuracy
    assert first.metrics != other.metrics
    assert torch.equal(torch.get_rng_state(), state)


def test_accuracy_under_shifts_is_measured_where_a_plan_asks_for_it(data):
    plain = train_and_validate(make_trial(), data=data)
    outcome = train_and_validate(make_trial(), data=data, shifts=ShiftPlan(("contrast",)))
    assert outcome.accuracy == plain.accuracy
    assert set(outcome.metrics) - set(plain.metrics) == {"accuracy_contrast", "shifted_accuracy"}


def test_a_training_that_diverges_is_a_failure_of_that_kind(data):
    recipe = replace(FIDELITY.recipe, learning_rate=1e30, gradient_clip=0)
    outcome = train_and_validate(make_trial(fidelity=replace(FIDELITY, recipe=recipe)), data=data)
    assert isinstance(outcome, Failure)
    assert (outcome.trial_id, outcome.kind) == (3, "diverged")
    assert "must be finite" in outcome.error
    assert outcome.train_seconds > 0


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_parameters": 10}, r"at most 10 parameters, got \d"),
        ({"max_multiply_adds": 10}, r"at most 10 multiply-adds, got \d"),
    ],
)
def test_a_network_over_a_bound_is_not_trained(data, monkeypatch, limits, message):
    monkeypatch.setattr(evaluate, "train", None)  # would fail if it were called
    outcome = train_and_validate(make_trial(), data=data, **limits)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "too_large"
    with pytest.raises(ValueError, match=message):
        raise ValueError(outcome.error)


def test_a_network_at_its_bounds_is_trained(data):
    outcome = train_and_validate(make_trial(), data=data)
    bounds = {"max_parameters": outcome.num_parameters, "max_multiply_adds": outcome.num_multiply_adds}
    assert isinstance(train_and_validate(make_trial(), data=data, **bounds), Success)


@dataclass(frozen=True)
class TableEntry:
    fingerprint: str = "0"

    def to_json(self):
        return {}


UNKNOWN = Cell((Block(Edge(0, "warp"), Edge(1, "conv_1x1")),))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"architecture": Architecture(UNKNOWN, CELL)}, "ValueError: the ops of block 0 of the normal cell"),
        (
            {"architecture": TableEntry()},
            "ValueError: only architectures made of cells and reference networks can be trained, got TableEntry",
        ),
    ],
)
def test_any_other_exception_is_a_failure_with_its_text(data, changes, text):
    outcome = train_and_validate(make_trial(**changes), data=data)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "error"
    assert outcome.error.startswith(text)


def test_memory_that_the_allocator_refuses_is_out_of_memory(data, monkeypatch):
    def train(*args, **kwargs):
        torch.empty(2**60, dtype=torch.uint8)

    emptied = []
    monkeypatch.setattr(evaluate, "train", train)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    outcome = train_and_validate(make_trial(), data=data)
    assert outcome.kind == "out_of_memory"
    assert emptied == [1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_request_to_stop_goes_through(data, monkeypatch, error):
    def stop(*args, **kwargs):
        raise error

    monkeypatch.setattr(evaluate, "train", stop)
    with pytest.raises(error):
        train_and_validate(make_trial(), data=data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 7}, r"network.num_classes must be 10, as in the data set digits, got 7"),
        ({"in_channels": 3}, r"network.in_channels must be 1, .* got 3"),
        ({"image_size": 32}, r"network.image_size must be 8, .* got 32"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(data, settings, message):
    check_fits(FIDELITY, data)
    with pytest.raises(ValueError, match=message):
        check_fits(replace(FIDELITY, network=replace(FIDELITY.network, **settings)), data)


def test_images_that_are_no_squares_are_refused():
    split = Split(np.zeros((2, 1, 8, 9), np.uint8), np.array([0, 1]))
    oblong = DataSet(split, split, lambda: split, tuple("0123456789"), (0.5,), (0.5,))
    with pytest.raises(ValueError, match="images must be square, got 9 x 8 pixels"):
        check_fits(FIDELITY, oblong)


def test_a_trial_that_pauses_ends_as_one_that_does_not(data, tmp_path):
    fidelity = replace(FIDELITY, recipe=replace(FIDELITY.recipe, epochs=2))
    whole = train_and_validate(make_trial(fidelity=fidelity), data=data)
    (tmp_path / "weights").mkdir()
    folders = {"weights_dir": str(tmp_path / "weights"), "states_dir": str(tmp_path / "states")}
    paused = train_and_validate(make_trial(fidelity=fidelity, until_epoch=1), data=data, **folders)
    assert isinstance(paused, Success)
    assert (tmp_path / "states" / "trial-3.safetensors").exists()
    assert not list((tmp_path / "weights").iterdir())
    ended = train_and_validate(make_trial(fidelity=fidelity), data=data, **folders)
    assert (ended.accuracy, ended.metrics) == (whole.accuracy, whole.metrics)
    assert paused.metrics != whole.metrics
    assert [path.parent.name for path in tmp_path.glob("*/*")] == ["weights"]


def test_at_0_epochs_a_trial_is_scored_as_by_zero_cost_and_nothing_is_written(data, tmp_path):
    scoring = ZeroCostSettings(("synflow", "num_parameters"), batch_size=8)
    (tmp_path / "weights").mkdir()
    folders = {"weights_dir": str(tmp_path / "weights"), "states_dir": str(tmp_path / "states")}
    shifts = ShiftPlan(("contrast",), 3, 0)
    trial = make_trial(until_epoch=0)
    outcome = train_and_validate(trial, data=data, scoring=scoring, shifts=shifts, **folders)
    expected = zero_cost(trial, data=data, settings=scoring)
    assert isinstance(outcome, Success)
    assert replace(outcome, train_seconds=0.0) == replace(expected, train_seconds=0.0)
    assert outcome.accuracy == 0.0
    assert [path.name for path in tmp_path.rglob("*")] == ["weights"]
    large = train_and_validate(trial, data=data, scoring=scoring, max_parameters=10)
    assert isinstance(large, Failure)
    assert large.kind == "too_large"


def test_a_network_that_cannot_be_scored_is_a_failure_at_0_epochs(data):
    trial = make_trial(until_epoch=0, architecture=EdgeCell(("none",)))
    outcome = train_and_validate(trial, data=data, scoring=ZeroCostSettings(("naswot",), batch_size=8))
    assert isinstance(outcome, Failure)
    assert "the score naswot of this network must be finite" in outcome.error


def test_a_trial_cannot_be_scored_without_scores(data):
    outcome = train_and_validate(make_trial(until_epoch=0), data=data)
    assert isinstance(outcome, Failure)
    assert "needs scoring, its scores, got none" in outcome.error


def test_a_trial_cannot_pause_without_a_folder(data):
    outcome = train_and_validate(make_trial(until_epoch=1), data=data)
    assert isinstance(outcome, Failure)
    assert "needs states_dir" in outcome.error


def test_weights_that_cannot_be_written_are_no_outcome(data, tmp_path, monkeypatch):
    """A full disk says nothing about the network."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nas.files.atomic_write.os.fsync", refuse)
    with pytest.raises(StorageError, match=r"trial-3.safetensors cannot be written: No space left on device"):
        train_and_validate(make_trial(), data=data, weights_dir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_weights_that_was_removed_is_not_made_again(data, tmp_path):
    with pytest.raises(StorageError, match=r"there is no folder .+/run/weights on .+workers.keep_weights=0"):
        train_and_validate(make_trial(), data=data, weights_dir=str(tmp_path / "run" / "weights"))
    assert not (tmp_path / "run").exists()
