import math

import pytest

from experiments.comparison.formatting import (
    CONFIDENCE_INTERVAL,
    LABELS,
    capitalized,
    duration,
    interval_text,
    label,
    number,
    p_value,
    plural,
)
from experiments.comparison.statistics import Interval
from experiments.config.search_config import CONTROLLERS


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0412, "= 0.041"),
        (0.9991, "= 1"),
        (2e-5, "< 10^-4"),
        (0.9e-7, "< 10^-7"),
        (3e-9, "< 10^-8"),
        (0.0, "< 10^-300"),
    ],
)
def test_p_values(value, shown):
    assert p_value(value) == shown
    if shown.startswith("<"):
        assert value < float(shown.removeprefix("< ").replace("10^", "1e"))


def test_strategies_are_named_by_their_controllers():
    assert set(LABELS) <= set(CONTROLLERS)
    assert label("random") == "random search"
    assert label("ppo, clip=0.2") == "PPO, clip=0.2"
    assert label("ppo:clip=0.2:num_epochs=1, 20 workers") == "PPO, clip=0.2, num_epochs=1, 20 workers"
    assert label("my own") == "my own"
    assert capitalized("random search beats PPO") == "Random search beats PPO"


def test_numbers_and_intervals():
    assert number(-0.1234) == "\u22120.12"
    assert number(-0.0001, signed=True) == "+0.00"
    assert number(math.nan) == "-"
    assert interval_text(Interval(0.1, -0.05, 0.2), signed=True) == "+10.00 (\u22125.00 to +20.00)"
    assert interval_text(Interval(0.5), digits=1) == "50.0"
    assert interval_text(Interval(0.5, 0.25, 1), scale=1, unit=" points") == "0.50 points (0.25 to 1.00)"
    assert interval_text(Interval(math.nan)) == "-"
    assert interval_text(Interval(0.5, 0, 1), digits=0, prefix=CONFIDENCE_INTERVAL) == "50 (95% interval 0 to 100)"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0.0 s"), (119.0, "119 s"), (150.0, "2.5 min"), (7200.0, "2.0 h"), (1e6, "11.6 d"), (1e9, "11,574 d")],
)
def test_durations(seconds, shown):
    assert duration(seconds) == shown


def test_counts_with_nouns():
    assert plural(1, "seed") == "1 seed"
    assert plural(1200, "run") == "1,200 runs"
