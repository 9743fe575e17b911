"""The Gaussian process: its posterior against closed forms, and what its hyperparameters follow."""

import math

import numpy as np
import pytest

from controllers.reward_model import (
    Features,
    Hyperparameters,
    RewardModel,
    fit_hyperparameters,
    normal_scores,
)
from nas.decisions import Choice

FEATURES = Features([Choice("a", "op", 2), Choice("b", "op", 3), Choice("c", "source", 4), Choice("d", "op", 2)])
TOLD = [(0, 0, 0, 0), (1, 2, 3, 1), (0, 1, 0, 1)]
SCORES = np.array([-0.5, 0.2, 1.0])


def test_distance_is_the_share_of_different_decisions():
    vectors = FEATURES([(0, 0, 0, 0), (0, 2, 0, 1)])
    assert FEATURES.distances(vectors, vectors) == pytest.approx(np.array([[0, 0.5], [0.5, 0]]))


def test_posterior_is_that_of_the_textbook():
    """Rasmussen and Williams, equations 2.25 and 2.26, by plain inversion."""
    model = RewardModel(FEATURES, TOLD, SCORES, Hyperparameters(rate=2.0, noise=0.1))
    asked = [(0, 1, 0, 0), (1, 0, 0, 0)]
    both = FEATURES([*TOLD, *asked])
    kernel = np.exp(-2.0 * FEATURES.distances(both, both))
    inverse = np.linalg.inv(kernel[:3, :3] + 0.1 * np.eye(3))
    mean = kernel[3:, :3] @ inverse @ SCORES
    variance = float(SCORES @ inverse @ SCORES) / 3
    covariance = variance * (kernel[3:, 3:] - kernel[3:, :3] @ inverse @ kernel[:3, 3:])
    draws = np.array([model.draw(asked, np.random.default_rng(seed)) for seed in range(4000)])
    assert draws.mean(axis=0) == pytest.approx(mean, abs=0.05)  # standard error 0.011
    assert np.cov(draws.T) == pytest.approx(covariance, abs=0.05)
    best = float((kernel[:3, :3] @ inverse @ SCORES).max())
    assert model.best_mean == pytest.approx(best, abs=1e-4)
    assert model.best_score == 1.0
    improvement = np.maximum(draws - best, 0).mean(axis=0)
    assert np.exp(model.expected_improvement(asked, best)) == pytest.approx(improvement, abs=0.03)


def test_expected_improvement_orders_even_hopeless_candidates():
    scores = np.array([0.0, 0.0, 60.0])
    model = RewardModel(FEATURES, TOLD, scores, Hyperparameters(rate=0.25, noise=1e-3))
    values = model.expected_improvement([(0, 0, 0, 0), (0, 1, 0, 1), (0, 1, 0, 0), (0, 0, 0, 1)], 60.0)
    assert np.isfinite(values).all()
    assert len(set(values.tolist())) == 4


def test_hyperparameters_follow_the_data():
    generator = np.random.default_rng(0)
    features = Features([Choice(str(place), "op", 4) for place in range(10)])
    decisions = [tuple(row) for row in generator.integers(4, size=(120, 10)).tolist()]
    sums = np.array([sum(row) for row in decisions])
    additive = normal_scores(sums, among=sums)
    noise = generator.standard_normal(120)
    assert fit_hyperparameters(features, decisions, additive).noise < 0.1
    noisy = fit_hyperparameters(features, decisions, noise)
    # pure noise: either the noise dominates or nothing correlates with anything else
    assert noisy.noise >= 0.3 or noisy.rate >= 8


def test_scores_are_normal_quantiles_of_ranks():
    rewards = np.array([3.0, 1e9, 3.0, -7.0])
    scores = normal_scores(rewards, among=rewards)
    assert scores[1] == pytest.approx(1.1503, abs=1e-4)  # quantile of 3.5 / 4
    assert scores[0] == scores[2] == pytest.approx(0.0, abs=1e-12)  # ranks 2 and 3 share 2.5
    assert math.isclose(scores[3], -scores[1])
    assert normal_scores(rewards[:2], among=rewards).tolist() == scores[:2].tolist()
