from __future__ import annotations

import math
import pickle

import pytest

from nas.fidelity import NetworkSpec
from nas.latency import measure as measuring
from nas.latency.settings import LatencySettings
from nas.latency.timing import Latency
from nas.models.complexity import measure
from search_spaces.published import PUBLISHED
from workers.evaluators.costs import CostPlan
from workers.evaluators.size_limits import TooLargeError

SPEC = NetworkSpec(num_filters=2, num_repeats=1, num_stages=1, image_size=8, in_channels=1)
CELLS = PUBLISHED["nasnet-a"]


@pytest.fixture
def timed(monkeypatch):
    calls = []
    monkeypatch.setattr(measuring, "nominal_ms", lambda *_: 1.0)
    monkeypatch.setattr(measuring, "time_network", lambda *_: calls.append(1) or Latency(4.0, 0.5, 3.9, 4.1, 30, 0))
    return calls


def test_what_is_asked_for_is_measured(timed):
    plan = CostPlan(("latency", "peak_memory"))
    metrics = pickle.loads(pickle.dumps(plan)).measure(CELLS, SPEC)  # noqa: S301 - as Ray sends it
    assert metrics["latency_ms"] == 4.0
    assert metrics["latency_spread_ms"] == 0.5
    assert metrics["activations"] == measure(CELLS, SPEC).num_activations
    assert metrics["peak_memory_mib"] > 0
    assert "full_parameters" not in metrics


@pytest.mark.parametrize(("bounds", "wanted"), [({}, math.inf), ({"latency": 5.0}, 6.0)])
def test_measuring_ends_clearly_above_the_bound(timed, monkeypatch, bounds, wanted):
    given = []
    monkeypatch.setattr(
        measuring, "time_network", lambda *words: given.append(words[3]) or Latency(4.0, 0.5, 3.9, 4.1, 30, 0)
    )
    CostPlan(("latency",), bounds).measure(CELLS, SPEC)
    assert given == [pytest.approx(wanted)]


def test_nothing_is_measured_if_nothing_is_asked_for(timed):
    assert CostPlan().measure(CELLS, SPEC) == {}
    assert timed == []


def test_a_larger_network_than_that_of_the_trials_is_counted():
    full = CostPlan(("parameters",), {}, LatencySettings(stack="1x4")).measure(CELLS, SPEC)
    assert full["full_parameters"] > measure(CELLS, SPEC).num_parameters


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"parameters": 10}, "parameters of at most 10, got"),
        ({"multiply_adds": 10}, "multiply-adds of at most 10"),
        ({"activations": 10}, "activations of at most 10"),
        ({"peak_memory": 0.001}, "peak memory of at most 0.001 MiB"),
        ({"latency": 3.0}, "latency of at most 3.000 ms, got 4.000 ms"),
    ],
)
def test_what_breaks_a_bound_is_refused(timed, bounds, message):
    with pytest.raises(TooLargeError, match=message):
        CostPlan((), bounds).measure(CELLS, SPEC)
    assert len(timed) == ("latency" in bounds)  # nothing dear is measured if a cheap bound is broken


def test_a_prediction_runs_nothing(timed):
    CostPlan((), {"latency": 3.0}).measure(CELLS, SPEC, predict=True)
    assert timed == []
