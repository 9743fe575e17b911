"""The model of a mixture of objectives: exact where it was told, and better than the parts where they add up."""

from functools import partial

import numpy as np
import pytest

from controllers.archive import Archive
from controllers.front_model import FrontModel
from controllers.reward_model import Features, Hyperparameters, RewardModel, normal_scores
from nas.decisions import Choice

FEATURES = Features([Choice(name, name, 4) for name in "abc"])
ALL = [(a, b, c) for a in range(4) for b in range(4) for c in range(4)]
EVEN = np.array([0.5, 0.5])


def values_of(decisions):
    """More of `a` is better in the first objective and costs as much in the second; `b` is good for both."""
    a, b, c = decisions
    return (a + b + 0.1 * c, -a + b - 0.1 * c)


def model_of(told, *, weights=EVEN, failed=(), noise=1e-4):
    archive = Archive()
    for decisions in told:
        archive.add(decisions, (-np.inf, -np.inf) if decisions in failed else values_of(decisions))
    normal = [normal_scores(column, among=column) for column in archive.values.T]
    models = [RewardModel(FEATURES, told, scores, Hyperparameters(rate=1.0, noise=noise)) for scores in normal]
    score = partial(archive.score, weights=weights)
    best = float(archive.scores(weights).max())
    return FrontModel(models, archive.values, np.stack(normal, axis=1), score, best), archive


def test_the_best_that_was_told_is_the_best_mean_and_cannot_be_improved_on():
    model, archive = model_of(ALL[::3])
    assert model.best_mean == pytest.approx(model.best_score, abs=1e-2)
    best = archive.best(EVEN)
    assert model.expected_improvement([best], model.best_score)[0] < 0.01


def test_the_largest_improvement_is_expected_where_both_objectives_gain():
    told = [each for each in ALL if each[1] < 3 or each[0] in (0, 3)]
    model, _ = model_of(told)
    best = ALL[int(np.argmax(model.expected_improvement(ALL, model.best_score)))]
    assert best not in told
    assert best[1] == 3


def test_improvement_depends_on_the_mixture():
    others = [(0, 3, 0), (3, 3, 0)]
    told = [each for each in ALL if each not in others]
    chosen = []
    for weights in ((0.97, 0.03), (0.03, 0.97)):
        model, _ = model_of(told, weights=np.array(weights))
        chosen.append(int(np.argmax(model.expected_improvement(others, model.best_score))))
    assert chosen == [1, 0]


def test_draws_are_scores_around_those_that_were_told():
    model, archive = model_of(ALL[::3])
    draws = np.array([model.draw(ALL[::3], np.random.default_rng(seed)) for seed in range(50)])
    assert draws.std(axis=0).max() > 0
    assert draws.mean(axis=0) == pytest.approx(archive.scores(EVEN), abs=0.02)


@pytest.mark.parametrize("number", [1, 5, 22])
def test_failures_are_the_worst_and_leave_every_number_finite(number):
    told = ALL[::3]
    model, _ = model_of(told, failed=told[:number])
    for found in (model.expected_improvement(ALL, model.best_score), model.draw(ALL, np.random.default_rng(0))):
        assert np.isfinite(found).all()
    assert np.isfinite(model.best_mean)
