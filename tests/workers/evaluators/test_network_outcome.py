from dataclasses import replace

import pytest
import torch

from nas.edge_cell import EdgeCell
from nas.fidelity import Fidelity, NetworkSpec
from nas.files.storage import StorageError
from nas.models.complexity import measure
from nas.training.loop import DivergedError
from nas.trial import Failure, Success
from workers.evaluators.network_outcome import network_outcome

SPEC = NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=1)
CELL = EdgeCell(("nor_conv_3x3",))


@pytest.fixture
def trial(make_trial):
    return replace(make_trial(3), architecture=CELL, fidelity=Fidelity(SPEC))


def outcome_of(trial, evaluate, *, max_parameters=None, max_multiply_adds=None):
    return network_outcome(trial, evaluate, max_parameters=max_parameters, max_multiply_adds=max_multiply_adds)


def test_a_success_has_accuracy_metrics_and_size(trial):
    outcome = outcome_of(trial, lambda: (0.5, {"loss": 2.0}))
    size = measure(CELL, SPEC)
    cost = size.num_parameters, size.num_multiply_adds, outcome.train_seconds
    expected = Success(3, 0.5, *cost, metrics={"loss": 2.0})
    assert outcome == expected
    assert outcome.train_seconds > 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DivergedError("the loss is nan"), "diverged"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (KeyError("x"), "error"),
    ],
)
def test_errors_are_failures_by_kind(trial, error, kind):
    def fail():
        raise error

    outcome = outcome_of(trial, fail)
    assert isinstance(outcome, Failure)
    assert (outcome.trial_id, outcome.kind) == (3, kind)


@pytest.mark.parametrize("limit", ["max_parameters", "max_multiply_adds"])
def test_too_large_networks_are_not_evaluated(trial, limit):
    called = []
    outcome = outcome_of(trial, lambda: called.append(1), **{limit: 1})
    assert (outcome.kind, called) == ("too_large", [])


def test_files_that_cannot_be_written_are_no_outcome(trial):
    def fail():
        raise StorageError("weights cannot be written: No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        outcome_of(trial, fail)
