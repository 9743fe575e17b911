import json
import math

import numpy as np
import pytest
from scipy import stats

from experiments.tournament.analysis import Entrant, judge, kendall, verdict
from workers.tune.tournament import Standing, ranked


def tournament(finals, *, num_chosen, broken=()):
    """Entrants whose proxy falls with their number, and their standings with these last accuracies."""
    entrants = [Entrant(f"trial-{i}", i, i < num_chosen, 1 - i / 100) for i in range(len(finals))]
    standings = [
        Standing(entrant.name, (0.1 + entrant.proxy / 10, final), "RuntimeError: no" if i in broken else None)
        for i, (entrant, final) in enumerate(zip(entrants, finals, strict=True))
    ]
    return entrants, ranked(standings)


def test_a_search_that_predicted_the_order():
    entrants, standings = tournament([0.9 - i / 100 for i in range(8)], num_chosen=4)
    judged = judge(entrants, standings, epochs=5)
    plain = judged.to_json()
    assert plain == json.loads(json.dumps(plain, allow_nan=False))
    assert [row.trial for row in judged.ranking] == list(range(8))
    assert judged.epochs == {"used": 16, "in_full": 40}
    assert plain["correlation"]["all"] == {"value": 1.0, "low": None, "high": None}
    assert judged.precision == {"1": 1.0, "3": 1.0, "4": 1.0, "5": 1.0}
    against = judged.chosen_against_random
    assert against.better.value == 1
    assert against.p == pytest.approx(2 / math.comb(8, 4))
    assert against.shared_epochs == 2
    assert against.gain_at_shared_epochs.value == pytest.approx(0.04)
    said = verdict(judged)
    assert "Trial 0, selected by reward, won with 90.00% validation accuracy." in said
    assert "The tournament took 16 epochs, 40% of the 40 for training all in full." in said
    assert any("The selected candidates place above the random ones" in line for line in said)


def test_a_search_that_predicted_the_opposite():
    entrants, standings = tournament([0.5 + i / 100 for i in range(8)], num_chosen=4)
    judged = judge(entrants, standings, epochs=2)
    assert judged.correlation["all"].value == -1
    assert judged.precision == {"1": 0.0, "3": 0.0, "4": 0.0, "5": pytest.approx(2 / 5)}
    assert any("The selected candidates place below the random ones" in line for line in verdict(judged))
    assert "drawn at random, won" in verdict(judged)[0]


def test_those_that_failed_are_last_and_their_accuracy_does_not_count():
    entrants, standings = tournament([0.9, 0.8, 0.7, 0.6], num_chosen=2, broken=(0,))
    judged = judge(entrants, standings, epochs=2)
    assert judged.ranking[-1].trial == 0
    assert judged.ranking[-1].error == "RuntimeError: no"
    assert judged.chosen_against_random.gain_at_shared_epochs.value == pytest.approx(0.8 - 0.65)
    assert any("do not differ significantly" in line for line in verdict(judged))


def test_without_a_control_there_is_nothing_to_choose_against():
    entrants, standings = tournament([0.9, 0.8, 0.85], num_chosen=3)
    judged = judge(entrants, standings, epochs=2)
    assert judged.chosen_against_random is None
    assert judged.to_json()["correlation"]["random"] == {"value": None, "low": None, "high": None}
    assert any("(no interval)" in line for line in verdict(judged))


def test_a_single_candidate_says_nothing_of_the_order():
    judged = judge(*tournament([0.9], num_chosen=1), epochs=2)
    assert any("too few candidates" in line for line in verdict(judged))
    assert judged.precision == {}


def test_kendall_agrees_with_scipy_and_lies_between_its_bounds():
    first, second = [1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 7, 5, 6]
    found = kendall(first, second)
    assert found.value == pytest.approx(stats.kendalltau(first, second).statistic)
    assert -1 < found.low < found.value < found.high < 1


def test_the_interval_of_kendall_covers_at_its_rate():
    """2000 draws of 16 pairs with a known tau of a third; their rate is within 4 points (8 standard errors) of 95 %."""
    rng = np.random.default_rng(0)
    correlation = math.sin(math.pi / 2 / 3)  # tau = 2 / pi * arcsin(correlation) for normal pairs
    pairs = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=(2000, 16))
    found = [kendall(list(each[:, 0]), list(each[:, 1])) for each in pairs]
    covered = np.mean([interval.low <= 1 / 3 <= interval.high for interval in found])
    assert covered == pytest.approx(0.95, abs=0.04)
