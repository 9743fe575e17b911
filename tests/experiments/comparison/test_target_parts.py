"""How soon strategies reach the target, as rows and as a panel."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.target_parts import (
    LOG_RANK_HEADER,
    TARGET_HEADER,
    log_rank_rows,
    target_rows,
    target_text,
    targets_panel,
)


def test_rows_and_panel_show_each_strategy(make_strategy):
    comparison = compare_strategies([make_strategy("ppo", seeds=3, rate=0.002), make_strategy("random", seeds=3)])
    targets = comparison.targets
    rows = target_rows(targets)
    assert [row[:2] for row in rows] == [
        ("PPO", "trials"),
        ("random search", "trials"),
        ("PPO", "worker time"),
        ("random search", "worker time"),
    ]
    assert {len(row) for row in rows} == {len(TARGET_HEADER)}
    assert rows[0][2].endswith("of 3")
    tests = list(log_rank_rows(targets))
    assert {len(row) for row in tests} == {len(LOG_RANK_HEADER)}
    assert [row[0] for row in tests] == ["PPO and random search"] * 2
    axes = Figure().add_subplot()
    targets_panel(axes, comparison=comparison)
    assert len(axes.lines) == 2


def test_a_target_says_whether_it_was_given(make_strategy):
    strategies = [make_strategy("ppo", seeds=2)]
    assert "the best incumbent of all runs" in target_text(compare_strategies(strategies).targets)
    given = compare_strategies(strategies, target=0.93).targets
    assert target_text(given) == "a validation accuracy of 93.00%, as requested"
