from nas.records import LedgerContents, Record
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
