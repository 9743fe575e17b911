from __future__ import annotations

import json

import pytest

from nas.fidelity import NetworkSpec
from nas.latency import measure
from nas.latency.settings import LatencySettings
from nas.latency.timing import Latency
from search_spaces.published import PUBLISHED

SPEC = NetworkSpec(num_filters=2, num_repeats=1, num_stages=1, image_size=8, in_channels=1)
FOUND = Latency(2.0, 0.1, 1.9, 2.1, 30, 0)


@pytest.fixture
def timed(monkeypatch):
    """The shapes of the images with which networks were timed."""
    shapes = []
    monkeypatch.setattr(measure, "nominal_ms", lambda *_: 1.5)
    monkeypatch.setattr(measure, "time_network", lambda _network, images, *_: shapes.append(images.shape) or FOUND)
    return shapes


def test_a_network_is_measured_once_for_each_condition(timed, tmp_path):
    architecture = PUBLISHED["nasnet-a"]
    for batch in (1, 1, 3):
        found = measure.measure_latency(architecture, SPEC, LatencySettings(batch=batch), cache=tmp_path)
        assert found == FOUND
    assert timed == [(1, 1, 8, 8), (3, 1, 8, 8)]
    key = json.loads(next(tmp_path.iterdir()).read_text())["key"]
    assert key["architecture"] == architecture.fingerprint
    assert {"device", "backend", "threads", "batch", "network"} < key.keys()
    assert key["reference_ms"] == 1.5


def test_latencies_at_another_nominal_speed_are_not_mixed(timed, tmp_path, monkeypatch):
    for speed in (1.5, 1.5, 1.2):
        monkeypatch.setattr(measure, "nominal_ms", lambda *_, speed=speed: speed)
        measure.measure_latency(PUBLISHED["nasnet-a"], SPEC, LatencySettings(), cache=tmp_path)
    assert len(timed) == 2


def test_stored_latencies_without_the_speed_are_read(timed, tmp_path):
    """As those on a GPU, of which nothing is corrected."""
    measure.measure_latency(PUBLISHED["nasnet-a"], SPEC, LatencySettings(), cache=tmp_path)
    path = next(tmp_path.iterdir())
    stored = json.loads(path.read_text())
    del stored["latency"]["raw_ms"], stored["latency"]["speed"]
    path.write_text(json.dumps(stored))
    assert measure.measure_latency(PUBLISHED["nasnet-a"], SPEC, LatencySettings(), cache=tmp_path) == FOUND
    assert len(timed) == 1


def test_what_is_above_the_bound_is_not_stored(timed, tmp_path):
    """Its measuring ended early; it is measured again where the bound is another."""
    for bound in (FOUND.low_ms / 2, FOUND.low_ms / 2, FOUND.low_ms):
        measure.measure_latency(PUBLISHED["nasnet-a"], SPEC, LatencySettings(), cache=tmp_path, bound_ms=bound)
    assert len(timed) == 3
    assert len(list(tmp_path.iterdir())) == 1


def test_a_gpu_has_no_nominal_speed(timed):
    assert measure.nominal_speed(LatencySettings(backend="cuda")) == {}


def test_without_a_cache_it_is_measured_again(timed):
    for _ in range(2):
        measure.measure_latency(PUBLISHED["nasnet-a"], SPEC, LatencySettings(image_size=16))
    assert timed == [(1, 1, 16, 16)] * 2
