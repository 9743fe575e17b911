from __future__ import annotations

import pytest

from experiments.architectures.latency import latency_line, measure_named
from nas.latency.settings import LatencySettings


def test_a_named_network_is_measured():
    found = measure_named("nasnet-a", LatencySettings(stack="1x2", image_size=8, max_seconds=0.01))
    assert found["median_ms"] > 0
    assert latency_line(found).startswith(f"nasnet-a: {found['median_ms']:.3f} ms (95 % interval of the median")


def test_what_is_no_model(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"model.onnx is not an ONNX model"):
        measure_named(str(tmp_path), LatencySettings(backend="onnxruntime"))
