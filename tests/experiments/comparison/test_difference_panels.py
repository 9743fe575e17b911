from __future__ import annotations

from functools import partial

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.curve_panels import draw_curves, draw_panel
from experiments.comparison.difference_panels import (
    differences_panel,
    draw_differences,
    ends_panel,
    num_rows,
    pair_title,
    pairs_of_tests,
)
from experiments.comparison.figure_style import PALETTE, PAPER, style


@pytest.fixture(scope="module")
def comparison(make_strategy):
    return compare_strategies([make_strategy("ppo", seeds=6, rate=0.004), make_strategy("random", seeds=6)])


def draw(panel, comparison):
    with style():
        axes = Figure().add_subplot()
        panel(axes, comparison=comparison)
    return axes


def test_every_run_is_a_dot_where_it_ended(comparison):
    axes = draw(ends_panel, comparison)
    for each, dots in zip(comparison.strategies, axes.collections, strict=True):
        assert sorted(dots.get_offsets()[:, 0]) == pytest.approx(sorted(100 * run.final for run in each.runs))
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["PPO", "Random search"]


def test_every_test_has_an_interval_filled_if_it_shows_something(comparison):
    axes = draw(differences_panel, comparison)
    dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == pytest.approx(
        [100 * row.difference.value for row in comparison.tests]
    )
    assert [to_hex(dot.get_markerfacecolor()) for dot in dots] == [
        PALETTE[0] if row.shown else PAPER for row in comparison.tests
    ]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["", "3 trials", "8 trials", "15 trials", "30 trials", "equal worker time"]
    assert "PPO over random search" in [text.get_text() for text in axes.texts]


def test_many_pairs_show_the_end_only(make_strategy):
    names = ("ppo", "reinforce", "evolution", "random")
    pairs = pairs_of_tests(compare_strategies([make_strategy(name, seeds=2, trials=10) for name in names]))
    assert len(pairs) == 6
    assert {row.share for rows in pairs.values() for row in rows} == {1.0}


def test_long_names_are_broken_and_counted(make_strategy):
    first, second = "evolution:population_size=10:tournament_size=3", "random"
    assert pair_title(second, "ppo") == ["Random search over PPO"]
    assert pair_title(first, second) == ["Evolution, population_size=10, tournament_size=3", "over random search"]
    comparison = compare_strategies([make_strategy(name, seeds=2, trials=10) for name in (first, second)])
    assert num_rows(comparison) == 2 + len(comparison.tests)
    names = [tick.get_text() for tick in draw(ends_panel, comparison).get_yticklabels()]
    assert "\n".join(names).count("\n") + 1 == 4


def test_nothing_reaches_over_the_edge(comparison):
    for figure in (draw_curves(comparison), draw_differences(comparison)):
        figure.draw_without_rendering()
        for box in [axes.get_tightbbox() for axes in figure.axes]:
            assert box.x0 >= -1
            assert box.y0 >= -1
            assert box.x1 <= figure.bbox.x1 + 1
            assert box.y1 <= figure.bbox.y1 + 1


def test_differences_stand_beside_the_ends(comparison):
    left, right = draw_differences(comparison).axes
    assert left.get_title(loc="left") == "Final values"
    assert right.get_title(loc="left") == "Differences"


def test_a_panel_alone_has_no_legend(comparison):
    figure = draw_panel(partial(ends_panel, comparison=comparison), height=4.0)
    assert not figure.legends
    assert figure.get_figheight() == 4
