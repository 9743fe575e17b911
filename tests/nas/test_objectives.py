from __future__ import annotations

import pytest

from nas.objectives import COSTS, Objectives, find_objective
from nas.trial import Success

SUCCESS = Success(3, 0.5, num_parameters=10, num_multiply_adds=20, metrics={"latency_ms": 2.0, "energy": 7.0})


def test_values_are_better_the_higher_they_are():
    objectives = Objectives.of(["accuracy", "parameters", "latency", "energy:min"])
    assert objectives(SUCCESS) == (0.5, -10, -2, -7)
    assert find_objective("energy:max").value(SUCCESS) == 7
    assert len(objectives) == 4
    assert objectives[2].name == "latency"


def test_sizes_are_those_of_the_full_network_if_it_was_counted():
    full = Success(0, 0.5, num_parameters=10, metrics={"full_parameters": 99.0, "full_multiply_adds": 98.0})
    assert Objectives.of(["parameters", "multiply_adds"])(full) == (-99, -98)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["accuracy"], "two or more"),
        (["accuracy", "accuracy"], "each once"),
        (["accuracy", "speed"], "NAME:min or NAME:max, got 'speed'"),
        (["accuracy", ":min"], "NAME:min"),
    ],
)
def test_bad_names(names, message):
    with pytest.raises(ValueError, match=message):
        Objectives.of(names)


def test_an_objective_that_a_trial_did_not_measure():
    with pytest.raises(ValueError, match="objective peak_memory needs the metric peak_memory_mib, which trial 3"):
        Objectives.of(["accuracy", "peak_memory"])(SUCCESS)


def test_bounds_are_the_worst_allowed():
    assert find_objective("latency").keeps(5.0, 5.0)
    assert not find_objective("latency").keeps(5.1, 5.0)
    assert find_objective("accuracy").keeps(0.6, 0.5)
    assert COSTS == ("parameters", "multiply_adds", "activations", "latency", "peak_memory")


def test_numbers_are_shown_with_their_unit():
    shown = [
        find_objective(name).text(number) for name, number in (("accuracy", 0.5), ("latency", 2), ("parameters", 4e3))
    ]
    assert shown == ["50.00%", "2.000 ms", "4,000"]
