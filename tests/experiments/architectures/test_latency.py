from __future__ import annotations

import pytest

from experiments.architectures import latency
from experiments.architectures.latency import calibrate_device, calibration_line, latency_line, measure_named
from nas.latency.settings import LatencySettings


def test_a_named_network_is_measured(calibrated):
    found = measure_named("nasnet-a", LatencySettings(stack="1x2", image_size=8, max_seconds=0.01))
    assert found["median_ms"] > 0
    assert latency_line(found).startswith(f"nasnet-a: {found['median_ms']:.3f} ms (95 % interval of the median")


FOUND = {
    "network": "cells",
    "median_ms": 12.0,
    "low_ms": 11.9,
    "high_ms": 12.1,
    "spread_ms": 0.3,
    "batch": 1,
    "backend": "torch",
    "threads": 2,
    "device": "a processor",
    "raw_ms": 15.0,
    "speed": 0.8,
}


def test_the_line_says_the_speed():
    assert latency_line(FOUND) == (
        "cells: 12.000 ms (95 % interval of the median 11.900 to 12.100, spread 0.300) for 1 image, torch, 2 threads; "
        "a processor; at 80% of the device's nominal speed, 15.000 ms as measured"
    )
    assert "nominal" not in latency_line({**FOUND, "speed": None, "raw_ms": None})


def test_a_device_calibrated_while_it_was_busy():
    line = latency_line({**FOUND, "speed": 1.1}).splitlines()[1]
    assert line.endswith("calibrate it anew: nas latency calibrate --backend torch --threads 2")


def test_a_device_is_calibrated_anew(monkeypatch):
    monkeypatch.setattr(latency, "calibrate", lambda *_: (2.0, 1.5))
    line = calibration_line(calibrate_device("torch", 1))
    assert line.endswith("the reference network takes 1.500 ms, 2.000 ms before: latencies are -25.0% from now on")
    monkeypatch.setattr(latency, "calibrate", lambda *_: (None, 1.5))
    assert calibration_line(calibrate_device("torch", 1)).endswith("the reference network takes 1.500 ms")


def test_what_is_no_model(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"model.onnx is not an ONNX model"):
        measure_named(str(tmp_path), LatencySettings(backend="onnxruntime"))
