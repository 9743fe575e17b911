from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from nas.latency.backends import check_backend, device_name, time_network
from nas.latency.settings import LatencySettings


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_a_network_is_timed(backend):
    settings = LatencySettings(backend=backend, max_seconds=0.05)
    found = time_network(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), torch.zeros(1, 1, 8, 8), settings)
    assert 0 < found.low_ms <= found.median_ms <= found.high_ms


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeError, match=r'backend onnxruntime needs pip install "nas-engine\[onnx\]"'):
        check_backend("onnxruntime")


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="backend cuda needs a GPU"):
        check_backend("cuda")


def test_the_device_names_what_runs_the_network():
    assert device_name("torch").endswith(f"torch {torch.__version__}")
    assert "onnxruntime " in device_name("onnxruntime")
