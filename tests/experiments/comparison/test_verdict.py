from __future__ import annotations

from types import SimpleNamespace

from experiments.comparison.results import PairTest, Procedure
from experiments.comparison.statistics import Interval
from experiments.comparison.verdict import notes, verdict


def test(**changes):
    values = {
        "axis": "trials",
        "share": 1.0,
        "point": 40.0,
        "first": "ppo",
        "second": "random",
        "means": (0.5, 0.5),
        "difference": Interval(0.012, 0.004, 0.02),
        "probability_of_improvement": Interval(0.8),
        "u": 1.0,
        "p": 0.004,
        "p_holm": 0.004,
        "shown": True,
        "seeds_needed": 9,
    }
    return PairTest(**(values | changes))


test.__test__ = False


def comparison(tests, seeds=(5, 5), trials=40, **changes):
    run = SimpleNamespace(num_trials=trials, incumbent_validation=0.5)
    values = {
        "measure": "incumbent",
        "strategies": [
            SimpleNamespace(name=name, num_runs=count, runs=[run] * count)
            for name, count in zip(("ppo", "random"), seeds, strict=False)
        ],
        "tests": tests,
        "budget": {"trials": 40.0, "worker_seconds": 100.0},
        "random_architecture": 0.5,
        "statistics": Procedure(0),
    }
    return SimpleNamespace(**(values | changes))


def test_a_significant_difference():
    assert verdict(comparison([test()])) == [
        "PPO outperforms random search after 40 trials: +1.20 points of validation accuracy (95% interval +0.40 to "
        "+2.00), p = 0.004 after Holm's correction for 1 test."
    ]


def test_a_loss_is_stated_from_the_winners_side():
    lost = test(difference=Interval(-0.012, -0.02, 0.004))
    assert verdict(comparison([lost]))[0].startswith(
        "Random search outperforms PPO after 40 trials: +1.20 points of validation accuracy "
        "(95% interval \u22120.40 to +2.00)"
    )


def test_a_difference_that_is_not_significant_comes_with_the_seeds_needed():
    sentence = verdict(comparison([test(shown=False, p_holm=1.0)], measure="incumbent_test"))[0]
    assert sentence.startswith(
        "The difference between PPO and random search after 40 trials is not significant: +1.20 points of test"
    )
    assert sentence.endswith(
        "p = 1 after Holm's correction for 1 test. Detecting this difference would take about 9 seeds per strategy."
    )
    assert "seeds" not in verdict(comparison([test(shown=False, seeds_needed=None)]))[0]


def test_only_the_end_of_the_trials_is_stated():
    tests = [test(share=0.5), test(), test(axis="worker_seconds")]
    assert len(verdict(comparison(tests))) == 1


def test_one_seed_cannot_be_tested():
    assert verdict(comparison([], seeds=(1, 1))) == [
        "No test is possible for PPO and random search with a single seed: the order of the curves may change with "
        "another seed."
    ]
    assert "No test is possible for random search with" in verdict(comparison([], seeds=(5, 1)))[0]


def test_one_strategy_has_no_comparison():
    assert verdict(comparison([], seeds=(3,))) == ["PPO is the only strategy, so there is no comparison."]


def test_notes_state_the_limitations():
    assert len(notes(comparison([test()]))) == 1  # seeds needed are uncertain
    assert notes(comparison([test(seeds_needed=None)])) == []
    found = " ".join(notes(comparison([], seeds=(3, 2), trials=50, budget={"trials": 40.0}, random_architecture=None)))
    for part in ("first 40 trials of each", "fewer than 5 seeds", "random search", "no training times"):
        assert part in found


def test_tests_without_power_are_noted():
    # 3 + 3 seeds: two of twenty divisions are extreme, and there are two comparisons.
    assert "the smallest possible p is 0.2." in " ".join(notes(comparison([test(), test()], seeds=(3, 3))))
    assert "smallest" not in " ".join(notes(comparison([test()], seeds=(5, 5))))
    assert "smallest" not in " ".join(notes(comparison([], seeds=(5, 1))))
