"""Rules of early stopping, with their values by hand."""

from __future__ import annotations

import random

import pytest
from pydantic import ValidationError

from nas.rewards import Accuracy, Metric
from nas.rungs import RankedReward, RungReport, Rungs, is_among_best
from nas.trial import Success


def test_rungs_are_given_or_grow_by_eta():
    assert Rungs((1, 4)).resolve(20) == (1, 4)
    assert Rungs(first=2, eta=3).resolve(20) == (2, 6, 18)
    assert Rungs(eta=1.5).resolve(4) == (1, 2, 3)  # 1, 1.5, 2.25, 3.375 are rounded


@pytest.mark.parametrize("epochs", [(4, 1), (2, 2), (3, 2, 5)])
def test_rungs_must_rise(epochs):
    with pytest.raises(ValidationError, match="rungs must rise, got"):
        Rungs(epochs)


def test_rungs_are_named_in_one_way():
    with pytest.raises(ValidationError, match=r"by epochs or by first, got both, \(1, 3\) and 50"):
        Rungs(epochs=(1, 3), first=50)


@pytest.mark.parametrize("rungs", [Rungs((1, 20)), Rungs(first=20), Rungs(first=50)])
def test_rungs_must_be_below_the_end(rungs):
    with pytest.raises(ValueError, match=r"rungs must be below the epochs of a training, 20, got (20|50)"):
        rungs.resolve(20)


@pytest.mark.parametrize("changes", [{"eta": 1}, {"epochs": (0,)}, {"first": 0}])
def test_other_settings_are_refused(changes):
    with pytest.raises(ValidationError):
        Rungs(**changes)


def test_one_in_eta_goes_on():
    assert is_among_best(0.1, [], eta=3)  # the first one
    assert not is_among_best(0.1, [0.2], eta=3)
    assert is_among_best(0.3, [0.2], eta=3)  # one may always go on
    five = [0.1, 0.2, 0.3, 0.4, 0.5]
    assert is_among_best(0.45, five, eta=3)  # second of six
    assert not is_among_best(0.35, five, eta=3)
    assert not is_among_best(0.4, [0.4], eta=3)  # equal ones: the earlier


def test_in_the_long_run_the_share_that_goes_on_is_one_in_eta():
    draw, reached, num_going_on = random.Random(0), [], 0
    for _ in range(2000):
        value = draw.random()
        num_going_on += is_among_best(value, reached, eta=4)
        reached.append(value)
    assert num_going_on == pytest.approx(500, rel=0.1)


def stopped(accuracy: float, epochs: int | None) -> Success:
    return Success(0, accuracy, stopped_after=epochs)


def test_ranked_rewards_divide_the_scale_by_how_far_trials_came():
    """With eta 4 and two rungs, the parts are [0, 3/4], [3/4, 15/16] and [15/16, 1]; a first trial is in the middle."""
    reward = RankedReward(Accuracy(), (1, 5), 4.0)
    assert reward(stopped(0.9, 1)) == 0.375
    assert reward(stopped(0.2, 5)) == 0.84375
    assert reward(stopped(0.1, None)) == 0.96875
    assert reward(stopped(0.95, 1)) == 0.75 * 0.75  # the better of two
    assert reward(stopped(0.92, 1)) == 0.75 * 0.5  # the middle of three


def test_who_came_further_is_never_worse_at_any_time():
    draw = random.Random(1)
    reward = RankedReward(Metric("score"), (1, 5), 3.0)
    told = []
    for _ in range(300):
        epochs = draw.choice([1, 5, None])
        success = Success(0, 0.0, metrics={"score": draw.gauss(0, 100)}, stopped_after=epochs)
        told.append((success.progress, reward(success)))
    assert all(0 <= value <= 1 for _, value in told)
    for rung in (5.0, float("inf")):
        below = [value for progress, value in told if progress < rung]
        assert max(below) <= min(value for progress, value in told if progress >= rung)


def test_a_replay_tells_the_same():
    outcomes = [stopped(0.1 * (i * 7 % 10), (1, None)[i % 2]) for i in range(20)]
    first, again = RankedReward(Accuracy(), (1,), 3.0), RankedReward(Accuracy(), (1,), 3.0)
    assert list(map(first, outcomes)) == list(map(again, outcomes))


def test_a_trial_that_was_stopped_elsewhere_is_refused():
    with pytest.raises(ValueError, match="stopped at a rung, 1, 5, got 3 epochs"):
        RankedReward(Accuracy(), (1, 5), 3.0)(stopped(0.5, 3))


def test_a_report_comes_back_from_json():
    report = RungReport(3, Success(4, 0.5, 10, 20, 1.5, metrics={"x": 1.0}), goes_on=True)
    assert RungReport.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    "value", [None, {}, {"outcome": Success(1, 0.5).to_json(), "num_epochs": 0, "goes_on": True}, {"outcome": {}}]
)
def test_other_json_is_no_report(value):
    with pytest.raises(ValueError, match=r"must be|must have"):
        RungReport.from_json(value)
