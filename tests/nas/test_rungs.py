"""Rules of early stopping, with their values by hand."""

from __future__ import annotations

import random

import pytest
from pydantic import ValidationError
from scipy.stats import rankdata

from nas.rewards import Accuracy, Metric
from nas.rungs import RankedReward, RungReport, Rungs, Standing
from nas.trial import Success


def test_rungs_are_given_or_grow_by_eta():
    assert Rungs((1, 4)).resolve(20) == (1, 4)
    assert Rungs(first=2, eta=3).resolve(20) == (2, 6, 18)
    assert Rungs(eta=1.5).resolve(4) == (1, 2, 3)  # 1, 1.5, 2.25, 3.375 are rounded


def test_scores_are_one_more_rung_before_any_training():
    assert Rungs(first=1, eta=3, scores=("synflow",)).resolve(20) == (0, 1, 3, 9)
    assert Rungs((2, 4), scores=("synflow",)).resolve(20) == (0, 2, 4)
    assert Rungs((0, 2), scores=("synflow",)).resolve(20) == (0, 2)
    assert Rungs((0,), scores=("synflow",)).resolve(1) == (0,)  # no other rung


def test_a_rung_of_0_epochs_needs_scores():
    with pytest.raises(ValidationError, match="a rung of 0 epochs needs scores, got none"):
        Rungs((0, 1))


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


@pytest.mark.parametrize(("eta", "expected"), [(1e300, (2,)), (1.7e308, (2,)), (1.5, (2, 3, 4, 7, 10, 15))])
def test_any_eta_gives_the_rungs_below_the_end(eta, expected):
    assert Rungs(first=2, eta=eta).resolve(20) == expected


@pytest.mark.parametrize("changes", [{"eta": 1}, {"epochs": (-1,)}, {"first": 0}, {"first": 10**400}])
def test_other_settings_are_refused(changes):
    with pytest.raises(ValidationError):
        Rungs(**changes)


def standing(others):
    found = Standing(Accuracy())
    for value in others:
        found.add(Success(0, value))
    return found


@pytest.mark.parametrize(
    ("value", "others", "goes_on"),
    [
        (0.1, [], True),  # the first one
        (0.1, [0.2], False),
        (0.3, [0.2], True),  # one may always go on
        (0.45, [0.1, 0.2, 0.3, 0.4, 0.5], True),  # second of six
        (0.35, [0.1, 0.2, 0.3, 0.4, 0.5], False),
        (0.4, [0.4], False),  # equal ones: the earlier
    ],
)
def test_one_in_eta_goes_on(value, others, goes_on):
    assert standing(others).is_among_best(Success(0, value), eta=3) is goes_on


def test_in_the_long_run_the_share_that_goes_on_is_one_in_eta():
    draw, reached, num_going_on = random.Random(0), standing([]), 0
    for _ in range(2000):
        success = Success(0, draw.random())
        num_going_on += reached.is_among_best(success, eta=4)
        reached.add(success)
    assert num_going_on == pytest.approx(500, rel=0.1)


def scored(*scores: float) -> Success:
    return Success(0, 0.0, metrics=dict(zip("xyz", scores, strict=False)), stopped_after=0)


def test_several_scores_count_by_the_mean_of_their_ranks():
    """Ranks in x: 1, 2.5, 2.5, 4; in y: 4, 3, 1, 2. Their sums: 5, 5.5, 3.5, 6."""
    reached = Standing(Metric("x"), Metric("y"))
    for success in (scored(1, 900), scored(2, 50), scored(2, -7)):
        reached.add(success)
    last = scored(3, 8)
    assert reached.place(last) == (3, 0)
    reached.add(last)
    assert len(reached) == 4
    assert reached.place(scored(0, 901)) == (1, 1)  # 1 and 5, and for the others, which rise, 6, 6.5, 4.5, 7


def test_one_score_counts_by_its_value():
    reached = Standing(Metric("y"))
    for success in (scored(1, 900), scored(2, 50), scored(2, -7)):
        reached.add(success)
    assert reached.place(scored(3, 50)) == (1, 1)
    assert not reached.is_among_best(scored(3, 899), eta=3)
    assert reached.is_among_best(scored(0, 901), eta=3)


@pytest.mark.parametrize("names", ["x", "xy", "xyz"])
def test_places_are_those_of_ranks_computed_anew(names):
    draw, reached, rows = random.Random(2), Standing(*map(Metric, names)), []
    for _ in range(60):
        success = scored(*(draw.randrange(9) for _ in range(3)))
        rows.append([success.metrics[name] for name in names])
        *others, own = rankdata(rows, axis=0).sum(axis=1)
        assert reached.place(success) == (sum(other < own for other in others), sum(other == own for other in others))
        reached.add(success)


def test_a_trial_without_a_score_is_refused():
    with pytest.raises(ValueError, match="trial 0 must have the metric y, got x"):
        Standing(Metric("x"), Metric("y")).add(scored(1))


def test_ranked_rewards_of_scored_trials_are_the_lowest():
    """With eta 2 and two rungs, the parts are [0, 1/2], [1/2, 3/4] and [3/4, 1]."""
    reward = RankedReward(Accuracy(), (0, 1), 2.0, scores="xy")
    assert [reward(success) for success in (scored(1, 5), scored(2, 9), scored(0, 9))] == [
        *(0.25, 0.5 * 0.75),
        0.5 * 0.5,  # ranks in x: 2, 3, 1; in y: 1, 2.5, 2.5; sums: 3, 5.5, 3.5
    ]
    assert reward(stopped(0.1, 1)) == 0.625
    assert reward(stopped(0.1, None)) == 0.875


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
    for epochs in (0, 3):
        report = RungReport(epochs, Success(4, 0.5, 10, 20, 1.5, metrics={"x": 1.0}), goes_on=True)
        assert RungReport.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    "value", [None, {}, {"outcome": Success(1, 0.5).to_json(), "num_epochs": -1, "goes_on": True}, {"outcome": {}}]
)
def test_other_json_is_no_report(value):
    with pytest.raises(ValueError, match=r"must be|must have"):
        RungReport.from_json(value)
