from __future__ import annotations

from functools import partial

import pytest

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.difference_panels import ends_panel
from experiments.comparison.figures import draw_curves, draw_differences, draw_panel


@pytest.fixture(scope="module")
def comparison(make_strategy):
    return compare_strategies([make_strategy("ppo", seeds=5, rate=0.002), make_strategy("random", seeds=5)])


def boxes(figure):
    figure.draw_without_rendering()
    return [axes.get_tightbbox() for axes in figure.axes]


def covers(first, second):
    return (
        min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
    )


def test_panels_and_legend_do_not_cover_each_other(comparison):
    figure = draw_curves(comparison)
    placed = boxes(figure)
    placed.append(figure.legends[0].get_window_extent())
    assert len(placed) == 5
    assert not any(covers(first, second) for place, first in enumerate(placed) for second in placed[:place])


def test_nothing_reaches_over_the_edge(comparison):
    for figure in (draw_curves(comparison), draw_differences(comparison)):
        for box in boxes(figure):
            assert box.x0 >= -1
            assert box.y0 >= -1
            assert box.x1 <= figure.bbox.x1 + 1
            assert box.y1 <= figure.bbox.y1 + 1


def test_single_runs_have_a_wide_panel_above_two(make_strategy):
    figure = draw_curves(compare_strategies([make_strategy("ppo", seeds=1), make_strategy("random", seeds=1)]))
    wide, left, right = (axes.get_position() for axes in figure.axes)
    figure.draw_without_rendering()
    assert wide.width > 1.8 * left.width
    assert left.y0 == pytest.approx(right.y0)
    assert wide.y0 > left.y1


def test_differences_stand_beside_the_ends(comparison):
    left, right = draw_differences(comparison).axes
    assert left.get_title(loc="left") == "Final values"
    assert right.get_title(loc="left") == "Differences"


def test_a_panel_alone_has_no_legend(comparison):
    figure = draw_panel(partial(ends_panel, comparison=comparison), height=4.0)
    assert not figure.legends
    assert figure.get_figheight() == 4
