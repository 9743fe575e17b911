"""Ledgers and trials for tests of `nas`."""

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.decisions import Rollout
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger
from nas.trial import Failure, Success, Trial


def _make_trial(trial_id, op="identity", fidelity=None):
    cell = Cell((Block(Edge(0, op), Edge(1, "conv_3x3")),))
    rollout = Rollout((1, 2, trial_id), -1.5)
    return Trial(trial_id, rollout, Architecture(cell, cell), fidelity or Fidelity(), seed=trial_id + 7)


@pytest.fixture
def make_trial():
    return _make_trial


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def written(path):
    """A ledger of two finished trials and one in flight, in six lines."""
    with Ledger(path) as ledger:
        ledger.append_asked([_make_trial(0), _make_trial(1, "avg_pool_3x3")])
        ledger.append_finished(Success(1, 0.5, num_parameters=10, metrics={"test_accuracy": 0.4}))
        ledger.append_asked([_make_trial(2)])
        ledger.append_finished(Failure(0, "diverged", "loss is nan"))
    return path
