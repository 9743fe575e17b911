from __future__ import annotations

import sys

import pytest
import torch

from nas.latency.backends import check_backend, device_name, measuring


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


def test_measuring_sets_threads_and_needs_no_gradients():
    before = torch.get_num_threads()
    with measuring(2):
        assert torch.get_num_threads() == 2
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before
