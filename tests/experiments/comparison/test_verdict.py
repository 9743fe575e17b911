from __future__ import annotations

import pytest

from experiments.comparison.verdict import capitalized, label, notes, p_value, points, verdict


def row(**changes):
    return {
        "axis": "trials",
        "share": 1.0,
        "point": 40.0,
        "first": "ppo",
        "second": "random",
        "difference": {"value": 0.012, "low": 0.004, "high": 0.02},
        "p_holm": 0.004,
        "shown": True,
        "seeds_needed": 9,
        **changes,
    }


def comparison(rows, seeds=(5, 5), trials=40, **changes):
    strategies = [
        {"name": name, "num_runs": count, "runs": [{"num_trials": trials, "incumbent_validation": 0.5}] * count}
        for name, count in zip(("ppo", "random"), seeds, strict=False)
    ]
    return {
        "measure": "incumbent",
        "strategies": strategies,
        "tests": rows,
        "budget": {"trials": 40.0, "worker_seconds": 100.0},
        "random_architecture": 0.5,
        **changes,
    }


def test_a_shown_difference():
    assert verdict(comparison([row()])) == [
        "PPO beats random search after 40 trials: +1.20 points of validation accuracy (95 % interval +0.40 to +2.00), "
        "p = 0.004 after correction for 1 comparison."
    ]


def test_a_loss_is_told_from_the_winner():
    lost = row(difference={"value": -0.012, "low": -0.02, "high": 0.004})
    assert verdict(comparison([lost]))[0].startswith(
        "Random search beats PPO after 40 trials: +1.20 points of validation accuracy "
        "(95 % interval \u22120.40 to +2.00)"
    )


def test_a_difference_that_is_not_shown_names_the_seeds_that_it_would_take():
    sentence = verdict(comparison([row(shown=False, p_holm=1.0)], measure="incumbent_test"))[0]
    assert sentence.startswith(
        "No difference between PPO and random search is shown after 40 trials: +1.20 points of test"
    )
    assert sentence.endswith(
        "p = 1 after correction for 1 comparison. To show a difference of this size takes some 9 seeds a strategy."
    )
    assert "seeds" not in verdict(comparison([row(shown=False, seeds_needed=None)]))[0]


def test_only_the_end_of_the_trials_is_told():
    rows = [row(share=0.5), row(), row(axis="worker_seconds")]
    assert len(verdict(comparison(rows))) == 1


def test_one_seed_cannot_be_tested():
    assert verdict(comparison([], seeds=(1, 1))) == [
        "With one seed of PPO and one of random search, nothing can be tested about them: a curve shows one run, and "
        "another seed may turn the order round."
    ]
    assert "nothing can be tested about it" in verdict(comparison([], seeds=(5, 1)))[0]


def test_one_strategy_is_compared_with_nothing():
    assert verdict(comparison([], seeds=(3,))) == ["There is nothing to compare PPO with."]


def test_notes_say_what_limits_the_comparison():
    assert len(notes(comparison([row()]))) == 1  # seeds needed are uncertain
    assert notes(comparison([row(seeds_needed=None)])) == []
    found = " ".join(notes(comparison([], seeds=(3, 2), trials=50, budget={"trials": 40.0}, random_architecture=None)))
    for part in ("first 40 of each", "fewer than 5 seeds", "No random search", "no training times"):
        assert part in found


def test_tests_that_can_show_nothing_are_called_so():
    # 3 + 3 seeds: two of twenty divisions are extreme, and there are two comparisons.
    assert "the smallest possible p is 0.2." in " ".join(notes(comparison([row(), row()], seeds=(3, 3))))
    assert "smallest" not in " ".join(notes(comparison([row()], seeds=(5, 5))))
    assert "smallest" not in " ".join(notes(comparison([], seeds=(5, 1))))


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


def test_words():
    assert label("random") == "random search"
    assert label("ppo, clip=0.2") == "PPO, clip=0.2"
    assert label("ppo:clip=0.2:num_epochs=1, 20 workers") == "PPO, clip=0.2, num_epochs=1, 20 workers"
    assert label("my own") == "my own"
    assert capitalized("random search beats PPO") == "Random search beats PPO"
    assert points(-0.001) == "\u22120.10"
