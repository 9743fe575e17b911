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
    monkeypatch.setattr(measure, "time_network", lambda _network, images, _: shapes.append(images.shape) or FOUND)
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


def test_without_a_cache_it_is_measured_again(timed):
    for _ in range(2):
        measure.measure_latency(PUBLISHED["nasnet-a"], SPEC, LatencySettings(image_size=16))
    assert timed == [(1, 1, 16, 16)] * 2
