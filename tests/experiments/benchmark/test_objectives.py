from __future__ import annotations

import os

import pytest

from experiments.benchmark.objectives import metric_columns, objective_names, true_front
from workers.evaluators.table import Measurement, Table


@pytest.fixture
def costs(tmp_path):
    path = tmp_path / "latency.csv"
    path.write_text("arch,latency_phone_ms,energy\n")
    return path


def test_names_become_columns(costs):
    names = objective_names(("accuracy", "latency_phone", "energy:max"), costs)
    assert names == ("accuracy", "latency_phone_ms:min", "energy:max")
    assert metric_columns(names) == ("latency_phone_ms", "energy")


def test_an_unknown_column(costs):
    with pytest.raises(ValueError, match=r"latency_phone_ms, energy, with :max .* got latency_car"):
        objective_names(("accuracy", "latency_car"), costs)


def test_the_true_front_of_a_table():
    rows = {
        str(place): Measurement(*row)
        for place, row in enumerate([(0.5, 0, 1, 100), (0.7, 0, 1, 200), (0.4, 0, 1, 300)])
    }
    reference, total = true_front(Table(rows), ("accuracy", "parameters"))
    assert reference == pytest.approx([0.48, -210])
    assert total == pytest.approx(0.02 * 110 + 0.2 * 10)


def test_a_size_that_the_table_lacks_is_no_objective():
    rows = {str(place): Measurement(0.5, 0, 1, 100) for place in range(2)}
    with pytest.raises(ValueError, match="must hold multiply_adds"):
        true_front(Table(rows), ("accuracy", "multiply_adds"))


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="must be a file"):
        objective_names(("accuracy", "latency"), tmp_path / "pipe")
