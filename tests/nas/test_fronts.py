from __future__ import annotations

import numpy as np
import pytest

from nas.fronts import (
    crowding,
    front,
    front_scale,
    fronts,
    hypervolume,
    hypervolume_curve,
    knee,
    preference,
    reference_point,
    scalarize,
)

POINTS = [(1.0, 4.0), (3.0, 3.0), (2.0, 2.0), (4.0, 1.0), (3.0, 3.0), (0.0, 0.0)]
FAILED = (-np.inf, -np.inf)


def test_the_front_is_what_nothing_dominates_and_each_point_once():
    assert front(POINTS).tolist() == [0, 1, 3]
    assert front([*POINTS, FAILED]).tolist() == [0, 1, 3]
    assert front([(1.0,), (2.0,), (2.0,)]).tolist() == [1]


def test_points_are_sorted_into_fronts_equal_ones_together():
    assert [each.tolist() for each in fronts([*POINTS, FAILED])] == [[0, 1, 3, 4], [2], [5], [6]]


def test_ends_of_a_front_have_no_crowd():
    distances = crowding([(0.0, 4.0), (1.0, 3.0), (4.0, 0.0)])
    assert distances.tolist() == [np.inf, 2.0, np.inf]  # (4 - 0) / 4 in both objectives
    assert crowding([FAILED, FAILED]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("points", "reference", "volume"),
    [
        ([(1, 4), (3, 3), (4, 1)], (0, 0), 4 + 2 * 3 + 1),
        ([(2, 3, 4)], (0, 0, 0), 24),
        ([(2, 1, 1), (1, 2, 1), (1, 1, 2)], (0, 0, 0), 4),
        ([(1, 1)], (1, 0), 0),
        ([(-np.inf, -np.inf)], (0, 0), 0),
    ],
)
def test_hypervolume(points, reference, volume):
    assert hypervolume(points, reference) == pytest.approx(volume)


def test_the_hypervolume_after_each_trial_is_that_of_the_trials_so_far():
    points = np.random.default_rng(0).random((40, 3))
    curve = hypervolume_curve([None, *points], np.zeros(3))
    assert curve[0] == 0
    assert curve[1:] == pytest.approx([hypervolume(points[:number], np.zeros(3)) for number in range(1, 41)])


def test_the_reference_point_is_a_tenth_of_the_range_below_the_worst_of_the_front():
    assert reference_point([(0.0, 10.0), (2.0, 0.0), (-9.0, -9.0)]) == pytest.approx([-0.2, -1.0])


def test_the_knee_is_the_point_with_the_best_balance():
    assert knee([(0.0, 10.0), (0.9, 9.0), (1.0, 0.0)]) == 1


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_weights_of_trials_cover_all_mixtures_evenly(number):
    weights = np.array([preference(trial_id, number) for trial_id in range(400)])
    assert weights.sum(axis=1) == pytest.approx(np.ones(400))
    assert (weights >= 0).all()
    assert weights.mean(axis=0) == pytest.approx(np.full(number, 1 / number), abs=0.01)
    assert preference(7 + 3 * 2**40, number).tolist() == weights[7].tolist()  # a further draw for trial 7


def test_every_point_of_a_concave_front_is_the_best_for_some_weights():
    points = [(0.0, 1.0), (0.3, 0.4), (1.0, 0.0)]  # below the line between its ends
    scale = front_scale(points)
    best = {int(np.argmax(scalarize(points, preference(trial_id, 2), scale))) for trial_id in range(50)}
    assert best == {0, 1, 2}


def test_the_long_ends_of_a_front_get_as_many_weights_as_its_middle():
    """Nine points of a front that bulges towards the ideal point, each the farthest in its ten degrees."""
    angles = np.radians(10 * np.arange(9) + 5)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = rays / (rays**3).sum(axis=1, keepdims=True) ** (1 / 3) - 0.1  # seen from the reference point
    scale = np.zeros(2), np.ones(2)
    best = [int(np.argmax(scalarize(points, preference(trial_id, 2), scale))) for trial_id in range(400)]
    shares = np.bincount(best, minlength=9) / 400
    assert shares.min() > 0.07
    assert shares.max() < 0.17


def test_no_point_behind_the_reference_point_is_better_than_one_before_it():
    scores = scalarize([(0.0, 1.0), (5.0, -0.2), (-0.2, 5.0), (-0.3, 5.0)], (0.2, 0.8), (np.zeros(2), np.ones(2)))
    assert scores.argmax() == 0
    assert scores[3] < scores[2] < scores[0]


def test_an_objective_with_hardly_any_weight_does_not_hold_the_search_at_the_end_of_the_known_front():
    points = [(0.0, 1.0), (1.0, 0.0), (1.3, -2.0)]  # the last is far behind the reference point and best in the first
    scale = np.zeros(2), np.ones(2)
    assert scalarize(points, (0.95, 0.05), scale).argmax() == 2
    assert scalarize(points, (0.85, 0.15), scale).argmax() == 1


def test_a_front_of_failures_alone_has_a_scale():
    low, high = front_scale([FAILED])
    assert (low.tolist(), high.tolist()) == ([0, 0], [1, 1])


def test_values_must_be_rows():
    with pytest.raises(ValueError, match="shape"):
        front([1.0, 2.0])
