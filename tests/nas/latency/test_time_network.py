from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.latency.calibration import nominal_ms
from nas.latency.settings import LatencySettings
from nas.latency.time_network import time_network


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_a_network_is_timed_beside_the_reference(backend, calibrated):
    settings = LatencySettings(backend=backend, max_seconds=0.05)
    found = time_network(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), torch.zeros(1, 1, 8, 8), settings)
    assert 0 < found.low_ms <= found.median_ms <= found.high_ms < nominal_ms(backend, 1)  # a smaller network
    assert found.raw_ms > 0
    assert found.speed > 0
