from dataclasses import replace

from nas.records import LedgerContents, Record
from nas.rewards import ShiftedAccuracy
from nas.trial import Failure, Success


def test_best_has_each_architecture_once(make_trial):
    trials = [make_trial(i, op) for i, op in enumerate(["identity", "conv_1x1", "identity", "conv_3x3"])]
    outcomes = [Success(2, 0.8), Success(0, 0.9), Success(1, 0.7), Failure(3, "error", "no")]
    contents = LedgerContents([Record(trials[outcome.trial_id], outcome, 0.0, 1.0) for outcome in outcomes])
    best = contents.best(5)
    assert [(record.trial.id, record.outcome.accuracy) for record in best] == [(2, 0.8), (1, 0.7)]


def test_a_stored_fingerprint_is_trusted(make_trial):
    trial = make_trial(0)
    assert Record(trial, Success(0, 0.5), 0.0, 1.0).fingerprint == trial.architecture.fingerprint
    assert Record(trial, Success(0, 0.5), 0.0, 1.0, "stored").fingerprint == "stored"


def test_trials_that_came_further_come_first(make_trial):
    trials = [make_trial(i, op) for i, op in enumerate(["identity", "conv_1x1", "conv_3x3"])]
    outcomes = [Success(0, 0.9, stopped_after=1), Success(1, 0.5), Success(2, 0.8, stopped_after=4)]
    records = [Record(trials[outcome.trial_id], outcome, 0.0, 1.0) for outcome in outcomes]
    assert [record.trial.id for record in LedgerContents(records).best(5)] == [1, 2, 0]
    assert [record.num_epochs for record in records] == [1, trials[1].fidelity.recipe.epochs, 4]
    assert Record(trials[0], Failure(0, "error", "no"), 0.0, 1.0).num_epochs == 0
    shared = replace(trials[1], fidelity=replace(trials[1].fidelity, shared_steps=5))
    assert Record(shared, Success(1, 0.5), 0.0, 1.0).num_epochs == 0
    assert Record(trials[0], Success(0, 0.5, cached=True), 0.0, 1.0).num_epochs == 0


def test_trials_that_were_only_scored_are_not_among_the_best(make_trial):
    """They have no reward: that of a metric or of shifts could not even be computed."""
    scored = Success(0, 0.0, metrics={"synflow": 9.0}, stopped_after=0)
    trained = Success(1, 0.5, metrics={"shifted_accuracy": 0.25}, stopped_after=1)
    records = [
        Record(make_trial(each.trial_id, op), each, 0.0, 1.0)
        for each, op in ((scored, "identity"), (trained, "conv_1x1"))
    ]
    assert [record.trial.id for record in LedgerContents(records).best(5, ShiftedAccuracy())] == [1]
    assert LedgerContents(records[:1]).best(5) == []
    assert records[0].num_epochs == 0
