from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.curve_panels import curve_panels, draw_curves, draw_panel
from experiments.comparison.curves import Run, Strategy
from experiments.comparison.figure_style import BASELINE, PALETTE, style

MARKS_OF_TIES = 5
"""Their order among the lines: above the curves."""


@pytest.fixture(scope="module")
def single(make_strategy):
    return compare_strategies([make_strategy("ppo", seeds=1, rate=0.002), make_strategy("random", seeds=1)])


@pytest.fixture(scope="module")
def several(make_strategy):
    return compare_strategies(
        [make_strategy("ppo", seeds=5, rate=0.002, test=True), make_strategy("random", seeds=5, test=True)]
    )


def draw(comparison, name):
    with style():
        axes = Figure().add_subplot()
        curve_panels(comparison)[name](axes)
    return axes


def detail(axes):
    return axes.texts[0].get_text()


def lines_of(axes, colour):
    return [line for line in axes.get_lines() if to_hex(line.get_color()) == colour]


def test_panels_follow_what_there_is(single, several):
    assert list(curve_panels(single)) == ["trials", "incumbent_worker_seconds", "tops"]
    shown = ["incumbent_trials", "incumbent_worker_seconds", "moving_mean", "tops", "targets"]
    assert list(curve_panels(several)) == shown


def test_single_runs_show_every_trial(single):
    axes = draw(single, "trials")
    shown = sum(len(dots.get_offsets()) for dots in axes.collections)
    measured = sum((~np.isnan(each.runs[0].accuracy)).sum() for each in single.strategies)
    assert shown == measured
    low, high = axes.get_ylim()
    for dots in axes.collections:
        heights = np.asarray(dots.get_offsets())[:, 1]
        assert np.all((heights > low) & (heights < high))  # those that lie below the axis are drawn at its foot
    assert "mean of the last 25" in detail(axes)
    assert axes.get_ylabel() == "Validation accuracy (%)"


def test_incumbents_of_several_seeds_have_mean_band_and_interquartile_mean(several):
    axes = draw(several, "incumbent_trials")
    mean, iqm = lines_of(axes, PALETTE[0])
    curve = several.strategies[0].curves["trials"].by_name["incumbent_test"]
    np.testing.assert_allclose(mean.get_ydata(), 100 * np.array(curve.mean.value))
    np.testing.assert_allclose(iqm.get_ydata(), 100 * np.array(curve.iqm.value))
    assert len(lines_of(axes, BASELINE)) == 2
    assert len(axes.collections) == 2
    assert axes.get_ylabel() == "Test accuracy (%)"
    assert detail(axes) == "mean with 95 % band, interquartile mean dashed, chosen by validation"


def test_the_end_of_every_curve_is_in_sight(several):
    for name in curve_panels(several):
        axes = draw(several, name)
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        for line in (each for each in axes.get_lines() if each.get_zorder() != MARKS_OF_TIES):
            x, y = line.get_xdata()[-1], line.get_ydata()[-1]
            assert left <= x <= right * 1.0001
            assert low <= y <= high


@pytest.mark.parametrize(
    ("seconds", "unit", "scale"),
    [
        (2.0, "seconds", "linear"),
        (30.0, "minutes", "linear"),
        (1000.0, "hours", "linear"),
        (20_000.0, "days", "linear"),
    ],
)
def test_time_has_its_natural_unit(seconds, unit, scale):
    run = Run("a", np.array([0.5, 0.6, 0.7, 0.8, 0.9]), np.full(5, seconds))
    size = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}[unit]
    run = Run("a", np.linspace(0.5, 0.9, 20), np.full(20, seconds))
    axes = draw(compare_strategies([Strategy("ppo", (run,))]), "incumbent_worker_seconds")
    assert axes.get_xlabel() == f"Worker time ({unit})"
    assert axes.get_lines()[0].get_xdata()[-1] == pytest.approx(20 * seconds / size)
    assert axes.get_xscale() == "log"  # twenty trials are more than a decade


def test_short_axes_of_time_are_linear_and_a_clock_has_its_own():
    run = Run("a", np.linspace(0.5, 0.9, 5), np.full(5, 1.0), elapsed_seconds=np.arange(10.0, 15.0))
    compared = compare_strategies([Strategy("ppo", (run,))])
    assert draw(compared, "incumbent_worker_seconds").get_xscale() == "linear"
    assert draw(compared, "incumbent_elapsed_seconds").get_xlabel() == "Elapsed time (seconds)"


def test_means_of_the_best_few_differ_in_their_dashes(several):
    lines = [line for line in lines_of(draw(several, "tops"), PALETTE[0]) if line.get_zorder() != MARKS_OF_TIES]
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in lines}) == 3


def test_moving_mean_shows_the_reward_where_it_is_not_the_accuracy(several):
    assert draw(several, "moving_mean").get_ylabel() == "Validation accuracy (%)"
    runs = tuple(Run(f"{seed}", np.full(9, 0.5), np.ones(9), reward=np.full(9, -3.0 - seed)) for seed in range(2))
    axes = draw(compare_strategies([Strategy("ppo", runs)]), "moving_mean")
    assert axes.get_ylabel() == "Reward"
    assert axes.yaxis.get_major_formatter()(-350.0, 0) == "-3.5"


def test_curves_that_do_not_move_are_drawn(tmp_path):
    run = Run("a", np.full(8, 0.5), np.ones(8))
    compared = compare_strategies([Strategy("ppo", (run,))])
    for name in curve_panels(compared):
        low, high = draw(compared, name).get_ylim()
        assert low < 50 < high


def covers(first, second):
    return (
        min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
    )


def test_panels_and_legend_do_not_cover_each_other(several):
    figure = draw_curves(several)
    figure.draw_without_rendering()
    placed = [axes.get_tightbbox() for axes in figure.axes]
    placed.append(figure.legends[0].get_window_extent())
    assert len(placed) == 6
    assert not any(covers(first, second) for place, first in enumerate(placed) for second in placed[:place])


def test_single_runs_have_a_wide_panel_above_two(single):
    figure = draw_curves(single)
    wide, left, right = (axes.get_position() for axes in figure.axes)
    figure.draw_without_rendering()
    assert wide.width > 1.8 * left.width
    assert left.y0 == pytest.approx(right.y0)
    assert wide.y0 > left.y1


def test_equal_incumbents_are_dashed_in_both_colours(make_strategy):
    one = make_strategy("ppo", seeds=1)
    other = Strategy("random", one.runs, {"name": "random"})
    figure = draw_curves(compare_strategies([one, other]))
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1
    assert np.isfinite(dashed[0].get_ydata()).all()
    assert dashed[0].get_color() == PALETTE[0]  # of the strategy below


def test_curves_of_best_values_are_stepped(make_strategy):
    comparison = compare_strategies([make_strategy("ppo", seeds=2), make_strategy("random", seeds=2)])
    for name, panel in curve_panels(comparison).items():
        if name != "moving_mean":
            lines = draw_panel(panel).axes[0].lines
            assert {line.get_drawstyle() for line in lines} == {"steps-post"}, name
