from __future__ import annotations

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.architecture_parts import best_section, named, norms_section


def test_each_strategy_is_named_in_its_colour(make_strategy):
    compared = compare_strategies([make_strategy("ppo", seeds=1), make_strategy("random", seeds=1)])
    names = [str(name) for _, name in named(compared)]
    assert ["PPO" in name for name in names] == [True, False]
    assert "Random" in names[1]


def test_unknown_architectures_and_norms_give_no_drawings(make_strategy):
    compared = compare_strategies([make_strategy("ppo", seeds=1)])
    assert "<svg" not in best_section(compared)
    assert norms_section(compared) == ""
