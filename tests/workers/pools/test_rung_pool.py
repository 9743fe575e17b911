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


def _varied(trial):
    seconds = 1.0 + trial.id * 7 % 5
    return Success(trial.id, trial.id * 37 % 11 / 11, train_seconds=seconds)


def stops(make_trial, *, num_workers, batch):
    found = {}
    with RungPool(VirtualPool(_varied, num_workers=num_workers), (1, 3), 2, ordered_batch=batch) as pool:
        for start in range(0, 12, 4):
            for trial_id in range(start, start + 4):
                pool.submit(make_trial(trial_id))
            for _ in range(4):
                outcome = pool.next_outcome()
                found[outcome.trial_id] = outcome.stopped_after
    return found


def test_in_batches_decisions_do_not_depend_on_the_workers(make_trial):
    expected = stops(make_trial, num_workers=1, batch=4)
    assert all(stops(make_trial, num_workers=number, batch=4) == expected for number in (2, 3, 4))
    assert [expected[trial_id] for trial_id in range(4)] == [None] * 4  # nobody to compare with
    assert {1, None} <= {expected[trial_id] for trial_id in range(4, 12)}
    assert len({tuple(sorted(stops(make_trial, num_workers=number, batch=None).items())) for number in (1, 4)}) == 2


def test_a_cache_above_repeats_a_stopped_outcome(make_trial):
    with CachingPool(RungPool(SerialPool(evaluate), (1, 3), 3)) as pool:
        for trial_id, architecture in ((5, 5), (4, 4), (7, 4)):
            pool.submit(make_trial(trial_id, architecture))
        outcomes = {each.trial_id: each for each in (pool.next_outcome() for _ in range(3))}
    assert (outcomes[7].cached, outcomes[7].stopped_after, outcomes[7].accuracy) == (True, 1, outcomes[4].accuracy)
