"""A pool with rungs, over a pool whose evaluator knows each trial's accuracy at every epoch."""

from __future__ import annotations

import pytest

from nas.trial import Failure, Success
from workers.pools.caching_pool import CachingPool
from workers.pools.rung_pool import RungPool
from workers.pools.serial_pool import SerialPool
from workers.pools.virtual_pool import VirtualPool

FINAL = 9


def evaluate(trial):
    """Accuracy: the id, in percent, and a little for each epoch. One second an epoch since the last rung."""
    epochs = FINAL if trial.until_epoch is None else trial.until_epoch
    seconds = {1: 1.0, 3: 2.0, FINAL: 6.0}[epochs]
    if trial.id == 66:
        return Failure(trial.id, "diverged", "loss is nan", seconds)
    return Success(trial.id, trial.id / 100 + epochs / 1000, 10, 20, seconds)


def run(ids, make_trial, **settings):
    """The outcomes by trial, and the parts that were evaluated."""
    parts = []

    def watched(trial):
        parts.append((trial.id, trial.until_epoch))
        return evaluate(trial)

    with RungPool(SerialPool(watched), (1, 3), 3, **settings) as pool:
        for trial_id in ids:
            pool.submit(make_trial(trial_id))
        return {outcome.trial_id: outcome for outcome in (pool.next_outcome() for _ in ids)}, parts


def test_a_trial_goes_on_only_among_the_best(make_trial):
    outcomes, parts = run([5, 4, 6], make_trial)
    assert outcomes[4] == Success(4, 0.04 + 0.001, 10, 20, 1.0, stopped_after=1)
    assert outcomes[5].stopped_after is None
    assert outcomes[6] == Success(6, 0.06 + 0.009, 10, 20, 9.0)  # the seconds of all parts
    assert [until for trial_id, until in parts if trial_id == 6] == [1, 3, None]


def test_a_failure_ends_a_trial(make_trial):
    assert run([66], make_trial)[0][66] == Failure(66, "diverged", "loss is nan", 1.0)


def test_reports_are_recorded_with_their_decisions(make_trial):
    reports = []
    run([5, 4], make_trial, record=reports.append)
    found = [(each.outcome.trial_id, each.num_epochs, each.goes_on) for each in reports]
    assert found == [(5, 1, True), (4, 1, False), (5, 3, True)]


@pytest.mark.parametrize("num_reports", range(4))
def test_a_session_resumes_after_any_report(make_trial, num_reports):
    """Decisions stay, parts that are done are not repeated, and the outcomes are those without interruption."""
    reports = []
    expected, _ = run([5, 4], make_trial, record=reports.append)
    outcomes, parts = run([5, 4], make_trial, reports=reports[:num_reports])
    assert outcomes == expected
    assert len(parts) == 4 - num_reports


def test_reports_at_other_rungs_are_refused(make_trial):
    reports = []
    run([5], make_trial, record=reports.append)
    with pytest.raises(ValueError, match="trial 5 must report at a rung, 2, got 1"):
        RungPool(SerialPool(evaluate), (2,), 3, reports=reports)


SCORES = {0: (5, 5), 1: (4, 9), 2: (6, 1), 3: (7, 0), 4: (8, 8), 5: (9, 3), 66: (99, 99)}


def scored(trial):
    """As `evaluate`, but at 0 epochs two scores, in a second."""
    if trial.until_epoch != 0:
        return evaluate(trial)
    scores = dict(zip("xy", map(float, SCORES[trial.id]), strict=True))
    return Success(trial.id, 0.0, 10, 20, 1.0, metrics={**scores, "latency": 0.5})


def run_scored(ids, make_trial, scores, **settings):
    parts = []

    def watched(trial):
        parts.append((trial.id, trial.until_epoch))
        return scored(trial)

    with RungPool(SerialPool(watched), (0, 1), 3, scores=scores, **settings) as pool:
        for trial_id in ids:
            pool.submit(make_trial(trial_id))
        return {outcome.trial_id: outcome for outcome in (pool.next_outcome() for _ in ids)}, parts


@pytest.mark.parametrize(("scores", "going_on"), [("x", [0, 2, 3, 4, 5]), ("y", [0, 1]), ("xy", [0, 4, 5])])
def test_scores_stop_trials_before_their_training(make_trial, scores, going_on):
    """By x each is the best so far but 1; by y 1 is better than 0, and none of the others is.

    By both, the sums of the ranks of the trials from 0 to itself are, for 1: 3, 3, and the earlier wins; 2: 4, 4, 4;
    3: 5, 5, 5, 5; 4: 5, 6, 5, 5, 9; 5: 6, 7, 5, 5, 10, 9, of which two may go on.
    """
    outcomes, parts = run_scored(range(6), make_trial, scores)
    assert [trial_id for trial_id, until in parts if until == 1] == going_on
    assert [trial_id for trial_id, until in parts if until == 0] == list(range(6))
    for trial_id in set(range(6)) - set(going_on):
        assert outcomes[trial_id].stopped_after == 0
        assert outcomes[trial_id].was_only_scored
        assert outcomes[trial_id].metrics["latency"] == 0.5


@pytest.mark.parametrize("num_reports", range(5))
def test_a_session_with_scores_resumes_after_any_report(make_trial, num_reports):
    reports = []
    expected, parts = run_scored([2, 1, 0], make_trial, "xy", record=reports.append)
    found = [(each.outcome.trial_id, each.num_epochs, each.goes_on) for each in reports]
    assert found == [(2, 0, True), (1, 0, False), (0, 0, False), (2, 1, True)]
    resumed, again = run_scored([2, 1, 0], make_trial, "xy", reports=reports[:num_reports])
    assert resumed == expected
    assert len(again) == len(parts) - num_reports


def test_a_trial_may_fail_after_its_scores(make_trial):
    outcomes, parts = run_scored([66, 4], make_trial, "xy")
    assert outcomes[66] == Failure(66, "diverged", "loss is nan", 2.0)  # of both parts
    assert outcomes[4].stopped_after == 0
    assert parts == [(66, 0), (4, 0), (66, 1)]


def test_scores_that_are_not_reported_are_an_error(make_trial):
    with pytest.raises(ValueError, match="trial 5 must have the metric z, got x, y, latency"):
        run_scored([5], make_trial, "z")


def _varied(trial):
    seconds = 1.0 + trial.id * 7 % 5
    metrics = {"x": float(trial.id * 5 % 13), "y": float(trial.id * 31 % 12)} if trial.until_epoch == 0 else {}
    return Success(trial.id, trial.id * 37 % 11 / 11, train_seconds=seconds, metrics=metrics)


def stops(make_trial, *, num_workers, batch, rungs=(1, 3)):
    found = {}
    settings = {"scores": "xy", "ordered_batch": batch}
    with RungPool(VirtualPool(_varied, num_workers=num_workers), rungs, 2, **settings) as pool:
        for start in range(0, 12, 4):
            for trial_id in range(start, start + 4):
                pool.submit(make_trial(trial_id))
            for _ in range(4):
                outcome = pool.next_outcome()
                found[outcome.trial_id] = outcome.stopped_after
    return found


@pytest.mark.parametrize("rungs", [(1, 3), (0, 1)])
def test_in_batches_decisions_do_not_depend_on_the_workers(make_trial, rungs):
    expected = stops(make_trial, num_workers=1, batch=4, rungs=rungs)
    assert all(stops(make_trial, num_workers=number, batch=4, rungs=rungs) == expected for number in (2, 3, 4))
    assert [expected[trial_id] for trial_id in range(4)] == [None] * 4  # nobody to compare with
    assert {rungs[0], None} <= {expected[trial_id] for trial_id in range(4, 12)}
    varied = [stops(make_trial, num_workers=number, batch=None, rungs=rungs) for number in (1, 4)]
    assert varied[0] != varied[1]


def test_a_cache_above_repeats_a_stopped_outcome(make_trial):
    with CachingPool(RungPool(SerialPool(evaluate), (1, 3), 3)) as pool:
        for trial_id, architecture in ((5, 5), (4, 4), (7, 4)):
            pool.submit(make_trial(trial_id, architecture))
        outcomes = {each.trial_id: each for each in (pool.next_outcome() for _ in range(3))}
    assert (outcomes[7].cached, outcomes[7].stopped_after, outcomes[7].accuracy) == (True, 1, outcomes[4].accuracy)
