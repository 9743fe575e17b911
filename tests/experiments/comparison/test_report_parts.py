from __future__ import annotations

import pytest

from experiments.comparison.report_parts import (
    Markup,
    bullets,
    by_value,
    code,
    count,
    details,
    figure,
    interval,
    paragraph,
    percent,
    plain,
    section,
    swatch,
    table,
    text,
)
from experiments.comparison.statistics import Interval

NASTY = '<script>alert("x")</script>&'
SAFE = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;"


def test_everything_from_outside_is_escaped():
    for made in (
        text(NASTY),
        paragraph(NASTY),
        bullets([NASTY]),
        table([NASTY], [[NASTY]]),
        table(["a", NASTY], [["b", NASTY]]),
        details(NASTY, ""),
        section(NASTY, "x"),
        figure("<svg x>", NASTY),
        swatch("#000000", NASTY).html,
        code(NASTY).html,
        plain(NASTY).html,
        by_value({NASTY: NASTY}).html,
    ):
        assert "<script" not in made
        assert SAFE in made


def test_what_is_markup_stays_and_nothing_is_a_dash():
    assert text(Markup("<b>x</b>")) == "<b>x</b>"
    assert text(None) == "\u2013"
    assert text(3) == "3"


def test_tables_name_rows_and_carry_their_headings_for_narrow_screens():
    made = table(["Strategy", "Runs"], [["PPO", 5]])
    assert '<th scope="row">PPO</th><td class="number" data-label="Runs">5</td>' in made
    assert '<td data-label="Runs">' in table(["Strategy", "Runs"], [["PPO", 5]], words=2)
    with pytest.raises(ValueError, match="zip"):
        table(["Strategy", "Runs"], [["PPO"]])


def test_empty_lists_and_sections_vanish():
    assert bullets([]) == ""
    assert section("Title", "", "") == ""
    assert paragraph("x", kind="quiet") == '<p class="quiet">x</p>'


def test_figures_have_a_name():
    assert figure("<svg a></svg>", "Curves") == '<figure><svg role="img" aria-label="Curves" a></svg></figure>'
    assert figure("<svg a></svg>", "Cells", kind="cells").startswith('<figure class="cells">')


def test_intervals():
    values = Interval(-0.0123, -0.02, 0.001)
    assert interval(values, signed=True).html == (
        '<span class="whole">\u22121.23</span> <span class="whole quiet">(\u22122.00 to +0.10)</span>'
    )
    assert interval(Interval(0.5), scale=1.0).html == '<span class="whole">0.50</span>'
    assert interval(None) is None
    assert interval(Interval(float("nan"))) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, None), (0, None), (12, "12"), (1234, "1.23 k"), (3_300_000, "3.3 M"), (2 * 10**9, "2 G")],
)
def test_counts(value, shown):
    assert count(value) == shown


def test_settings_stand_as_in_a_configuration_with_the_runs_that_have_them():
    assert plain(None).html == "<code>null</code>"
    assert plain("ppo").html == "<code>ppo</code>"
    assert by_value({"a": 1, "b": None, "c": 1}).html == (
        '<code>1</code> <span class="quiet">a, c</span><br>\u2013 <span class="quiet">b</span>'
    )
    assert percent(None) is None
    assert percent(float("nan")) is None
    assert percent(0.5) == "50.00\u00a0%"
