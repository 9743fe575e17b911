from __future__ import annotations

import math
import re
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.comparison.figure_style import (
    BASELINE,
    GRID,
    INK,
    PALETTE,
    PAPER,
    add_colour_legend,
    add_legend,
    coloured,
    colours,
    finish,
    for_page,
    percent,
    save,
    style,
    to_svg,
)


def comparison(*names):
    strategies = [
        SimpleNamespace(name=name, random=name.startswith("random"), num_runs=1 + place)
        for place, name in enumerate(names)
    ]
    return SimpleNamespace(strategies=strategies)


def drawn(colour=PALETTE[0]):
    with style():
        figure = Figure(figsize=(3, 2), facecolor="none")
        axes = figure.add_subplot()
        axes.plot([1, 2, 3], [1, 4, 2], color=colour)
        finish(axes, "A title", "what it shows", "Accuracy (%)")
    return figure


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_random_search_is_grey_and_takes_no_colour_from_the_others():
    chosen = colours(comparison("ppo", "random", "evolution"))
    assert chosen == {"ppo": PALETTE[0], "evolution": PALETTE[1], "random": BASELINE}
    assert [colour for _, colour in coloured(comparison("random", "ppo"))] == [BASELINE, PALETTE[0]]


def test_a_second_random_search_is_told_from_the_first():
    assert colours(comparison("random", "random, batch=2")) == {"random": BASELINE, "random, batch=2": PALETTE[0]}


def test_many_strategies_share_colours_rather_than_fail():
    assert len(colours(comparison(*(f"controller {place}" for place in range(9))))) == 9


def test_lines_stand_out_from_paper_and_text_is_readable():
    # Contrast as the web guidelines reckon it: 4.5 for text, and for lines what Okabe and Ito's palette offers.
    paper = luminance("#ffffff") + 0.05
    assert paper / (luminance(INK) + 0.05) > 12
    assert all(paper / (luminance(colour) + 0.05) > 2 for colour in (*PALETTE, BASELINE))


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    before = dict(mpl.rcParams)
    figure = drawn()
    save(figure, tmp_path / "figure.png")
    to_svg(figure, "name")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_equal_figures_are_equal_files(tmp_path, suffix):
    first, second = tmp_path / f"a{suffix}", tmp_path / "other" / f"a{suffix}"
    second.parent.mkdir()
    save(drawn(), first)
    save(drawn(), second)
    assert first.read_bytes() == second.read_bytes()


def test_svg_for_a_page_has_ids_of_its_own_and_the_colours_of_the_page():
    first, second = (to_svg(drawn(), name) for name in ("first", "second"))
    ids = [set(re.findall(r'<clipPath id="(\w+)"', text)) for text in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert INK not in first
    assert "currentColor" in first
    assert f"var(--strategy-0, {PALETTE[0]})" in first


def test_every_colour_of_a_page_can_be_set_by_it():
    text = " ".join((INK, GRID, PAPER, BASELINE, *PALETTE, "#123456"))
    replaced = for_page(text).split("var(")
    assert len(replaced) == 10  # the ink is the colour of the text around it
    assert replaced[-1].endswith("#123456")


def test_percent_keeps_what_is_missing():
    values = percent([0.5, None])
    assert values[0] == 50
    assert math.isnan(values[1])


def test_legend_names_strategies_and_seeds():
    with style():
        figure = Figure(layout="constrained")
        add_legend(figure, comparison("random", "ppo"))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Random search (1 seed)", "PPO (2 seeds)"]


def test_a_legend_of_colours_names_them_in_turn():
    with style():
        figure = Figure(layout="constrained")
        add_colour_legend(figure, [f"network {place}" for place in range(7)])
    handles = figure.legends[0].legend_handles
    assert [handle.get_color() for handle in handles] == [*PALETTE, PALETTE[0]]


def test_axis_of_names_keeps_its_ticks():
    with style():
        axes = Figure().add_subplot()
        axes.set_yticks([0, 1], ["a", "b"])
        finish(axes, "A title", "", "")
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b"]
