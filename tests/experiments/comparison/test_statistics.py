from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from experiments.comparison.statistics import (
    bootstrap_band,
    bootstrap_interval,
    difference,
    holm,
    interquartile_mean,
    mann_whitney,
    mean,
    probability_of_improvement,
    seeds_needed,
)


def covered(low, truth, high):
    return float(np.mean((low <= truth) & (truth <= high)))


def test_interquartile_mean_leaves_out_a_quarter_on_either_side():
    assert interquartile_mean(np.array([100.0, 1.0, 2.0, 3.0, -50.0])) == 2.0
    assert interquartile_mean(np.array([4.0, 1.0, 1.0])) == 2.0  # a quarter of three is rounded down to none
    assert interquartile_mean(np.arange(8.0)) == np.arange(2.0, 6.0).mean()


@pytest.mark.parametrize("num_runs", [3, 5, 20])
@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
def test_band_covers_at_its_rate(num_runs, statistic):
    # 1,000 independent points: the share covered has a standard error of 0.7 %, so 2.5 % is more than three of them;
    # the interquartile mean of few runs covers up to 97 %. The plain percentile bootstrap covers 83 % at five runs.
    values = np.random.default_rng(7).normal(0.9, 0.01, size=(num_runs, 1000))
    band = bootstrap_band(values, statistic, seed=1)
    assert 0.925 <= covered(band.low, 0.9, band.high) <= 0.985


def test_band_of_a_skewed_population_covers_nearly_at_its_rate():
    values = 0.95 - np.random.default_rng(3).exponential(0.01, size=(10, 2000))
    band = bootstrap_band(values, seed=1)
    assert 0.90 <= covered(band.low, 0.94, band.high) <= 0.975


def test_band_is_a_function_of_the_seed():
    values = np.random.default_rng(0).normal(size=(6, 40))
    first, again, other = (bootstrap_band(values, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.low, again.low)
    assert not np.array_equal(first.low, other.low)
    assert np.all((first.low < first.value) & (first.value < first.high))


def test_band_of_one_run_has_no_bounds_and_of_equal_runs_no_width():
    alone = bootstrap_band(np.array([[0.5, 0.6]]), seed=0)
    assert alone.value.tolist() == [0.5, 0.6]
    assert np.isnan(alone.low).all()
    equal = bootstrap_interval(np.full(5, 0.75), seed=0)
    assert (equal.value, equal.low, equal.high) == (0.75, 0.75, 0.75)
    assert bootstrap_band(np.empty((3, 0)), seed=0).low.size == 0


@pytest.mark.parametrize(("num_first", "num_second"), [(3, 3), (5, 12)])
def test_interval_of_a_difference_covers_at_its_rate(num_first, num_second):
    # 400 draws: a standard error of 1.1 %, so the margin is three of them.
    generator = np.random.default_rng(11)
    inside = 0
    for _ in range(400):
        found = difference(generator.normal(1.0, 2.0, num_first), generator.normal(0.0, 1.0, num_second), seed=5)
        inside += found.low <= 1.0 <= found.high
    assert 0.915 <= inside / 400 <= 0.985


def test_difference_of_single_runs_has_no_bounds_and_of_equal_ones_no_width():
    alone = difference(np.array([0.9]), np.array([0.7, 0.8]), seed=0)
    assert alone.value == pytest.approx(0.15)
    assert math.isnan(alone.low)
    equal = difference(np.full(4, 0.9), np.full(3, 0.8), seed=0)
    assert (equal.low, equal.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_probability_of_improvement_counts_pairs_and_halves_ties():
    found = probability_of_improvement(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0]))
    assert found.value == pytest.approx((0 + 0.5 + 1 + 1 + 1 + 1) / 6)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert math.isnan(probability_of_improvement(np.array([1.0]), np.array([2.0, 3.0])).low)


def test_two_separate_groups_of_two_show_little():
    """Newcombe's interval at an estimate of 1: 1 - p = z^2 p (1 + (1 - p) / (2 - p) + p / (1 + p)) / 4."""
    found = probability_of_improvement(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    assert (found.value, found.high) == (1.0, 1.0)
    spread = 1 + (1 - found.low) / (2 - found.low) + found.low / (1 + found.low)
    assert 1 - found.low == pytest.approx(float(stats.norm.ppf(0.975)) ** 2 * found.low * spread / 4, rel=1e-6)
    assert found.low < 0.5
    reversed_groups = probability_of_improvement(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    assert (reversed_groups.low, reversed_groups.high) == (0.0, pytest.approx(1 - found.low))


@pytest.mark.parametrize("number", [2, 3, 5, 10, 25])
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_interval_of_the_probability_of_improvement_covers_at_its_rate(number, shift):
    """250 draws: a standard error of 1.4 %; with two or three runs few values are possible, and the rate varies."""
    generator = np.random.default_rng(2)
    truth = float(stats.norm.cdf(shift / math.sqrt(2)))
    inside = 0
    for _ in range(250):
        found = probability_of_improvement(generator.normal(shift, 1, number), generator.normal(0, 1, number))
        inside += found.low <= truth <= found.high
    assert (0.86 if number < 5 else 0.91) <= inside / 250


def test_rank_test_of_identical_strategies_gives_uniform_p_values():
    # 1,000 draws of 20 + 20 seeds. A fair 5 % has a standard error of 0.7 %, a fair half one of 1.6 %: the margins are
    # three of them, and that of Kolmogorov's distance is the one that a fair draw exceeds once in a hundred times.
    generator = np.random.default_rng(0)
    p_values = np.array([mann_whitney(*generator.normal(size=(2, 20)))[1] for _ in range(1000)])
    assert 0.03 <= np.mean(p_values < 0.05) <= 0.07
    assert 0.45 <= np.mean(p_values < 0.5) <= 0.55
    assert stats.kstest(p_values, "uniform").statistic < 0.052


def test_rank_test_of_few_identical_runs_is_exact():
    # Of the 252 ways to divide 5 + 5, 2 x 4 lie as far out as U = 2: so many p-values are at most 0.05.
    generator = np.random.default_rng(1)
    p_values = np.array([mann_whitney(*generator.normal(size=(2, 5)))[1] for _ in range(2000)])
    assert np.mean(p_values <= 0.05) == pytest.approx(8 / 252, abs=0.013)
    assert p_values.min() == pytest.approx(2 / 252)


def test_rank_test_finds_a_shift():
    generator = np.random.default_rng(4)
    found = [mann_whitney(generator.normal(1.5, 1, 20), generator.normal(0, 1, 20))[1] < 0.01 for _ in range(200)]
    assert np.mean(found) > 0.93  # its power is 0.97 here


def test_rank_test_agrees_with_scipy():
    generator = np.random.default_rng(5)
    first, second = generator.normal(size=6), generator.normal(0.8, 1, size=7)
    exact = stats.mannwhitneyu(first, second, method="exact")
    assert mann_whitney(first, second) == (exact.statistic, pytest.approx(exact.pvalue))
    first, second = generator.integers(0, 9, 30).astype(float), generator.integers(1, 10, 40).astype(float)
    rough = stats.mannwhitneyu(first, second, method="asymptotic")
    assert mann_whitney(first, second) == (rough.statistic, pytest.approx(rough.pvalue))


def test_rank_test_with_ties_worked_by_hand():
    # 1, 1 against 1, 2 have ranks 2, 2 and 2, 4: every division lies as far from the middle, so nothing is shown.
    assert mann_whitney(np.array([1.0, 1.0]), np.array([1.0, 2.0])) == (1.0, 1.0)
    # Three below three: the most extreme of 20 divisions and its mirror image.
    assert mann_whitney(np.array([1.0, 2.0, 2.0]), np.array([3.0, 3.0, 4.0])) == (0.0, pytest.approx(0.1))
    assert mann_whitney(np.full(30, 0.9), np.full(30, 0.9)) == (450.0, 1.0)


def test_holm_worked_by_hand():
    # Sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2 = 0.06, and 0.04 x 1, raised to the 0.06 before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_keeps_the_chance_of_any_false_finding():
    p_values = np.random.default_rng(6).uniform(size=(4000, 8))
    assert np.mean([min(holm(row)) < 0.05 for row in p_values.tolist()]) == pytest.approx(0.05, abs=0.012)


def test_seeds_needed_follows_noether():
    # (1.95996 + 0.84162) ** 2 / (6 * 0.2 ** 2) = 32.7
    assert seeds_needed(0.7) == seeds_needed(0.3) == 33
    assert seeds_needed(0.7, power=0.9) == 44  # (1.95996 + 1.28155) ** 2 / 0.24 = 43.8
    assert seeds_needed(1.0) == 6
    assert seeds_needed(1.0, power=0.1) == 4  # with three and three no test can reach 5 %
    assert seeds_needed(0.5) is None


def test_so_many_seeds_show_the_difference_as_often_as_promised():
    # Noether's formula is approximate; 500 draws have a standard error of 1.8 %.
    shift = math.sqrt(2) * float(stats.norm.ppf(0.7))
    generator = np.random.default_rng(8)
    shown = [mann_whitney(generator.normal(shift, 1, 33), generator.normal(0, 1, 33))[1] < 0.05 for _ in range(500)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.06)
