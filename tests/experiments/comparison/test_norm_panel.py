from __future__ import annotations

from experiments.comparison.norm_panel import draw_norm_shares
from experiments.comparison.norm_usage import StageNorms

USAGE = {
    "ppo": (
        StageNorms(1, {"bn": 0.25, "in": 0.75}, {"in": 1.0}),
        StageNorms(2, {"bn": 1.0}, {"bn": 1.0}),
    ),
    "random": (StageNorms(1, {"bn": 0.5, "in": 0.5}, {"bn": 0.6, "in": 0.4}),),
}


def widths(axes):
    """The widths of each norm's bars, from the first strategy and stage to the last."""
    return {bars.get_label(): [round(bar.get_width(), 6) for bar in bars] for bars in axes.containers}


def test_bars_are_the_shares_and_end_at_the_whole():
    every, best = draw_norm_shares(USAGE, ["bn", "in"]).axes
    assert widths(every) == {"bn": [25, 100, 50], "in": [75, 0, 50]}
    assert widths(best) == {"bn": [0, 100, 60], "in": [100, 0, 40]}
    ends = [bar.get_x() + bar.get_width() for bar in every.containers[-1]]
    assert ends == [100, 100, 100]


def test_each_bar_is_named_by_strategy_and_stage():
    every, _ = draw_norm_shares(USAGE, ["bn", "in"]).axes
    names = [label.get_text() for label in every.get_yticklabels()]
    assert names == ["ppo, stage 1", "ppo, stage 2", "random, stage 1"]
    assert every.yaxis_inverted()  # the first is on top
