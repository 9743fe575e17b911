from __future__ import annotations

import numpy as np

from controllers.archive import Archive

FAILED = (-np.inf, -np.inf)


def archive(*values):
    made = Archive()
    for place, each in enumerate(values):
        made.add((place,), each)
    return made


def test_the_best_depends_on_the_weights():
    told = archive((0.0, 1.0), (1.0, 0.0), (0.1, 0.1))
    assert told.best(np.array([0.9, 0.1])) == (1,)
    assert told.best(np.array([0.1, 0.9])) == (0,)


def test_a_failure_is_worse_than_everything_by_one():
    scores = archive((0.0, 1.0), FAILED, (-5.0, -5.0)).scores(np.array([0.5, 0.5]))
    assert scores[1] == min(scores[0], scores[2]) - 1
    assert archive(FAILED).scores(np.array([0.5, 0.5])).tolist() == [-1.0]


def test_first_scores_do_not_change_with_later_rollouts():
    few, many = archive((0.0, 1.0), (1.0, 0.0)), archive((0.0, 1.0), (1.0, 0.0), (9.0, 9.0))
    assert few.first_scores(2).tolist() == many.first_scores(2).tolist()
    assert few.scores(np.array([0.5, 0.5])).tolist() != many.scores(np.array([0.5, 0.5])).tolist()[:2]
