from __future__ import annotations

import json
import sys

from experiments.cli.main import main


def test_measure_prints_json(capsys):
    assert main(["latency", "measure", "nasnet-a", "--stack", "1x2", "--image-size", "8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["backend"] == "torch"
    assert 0 < found["low_ms"] <= found["median_ms"]


def test_a_backend_that_is_not_installed_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["latency", "measure", "nasnet-a", "--backend", "onnxruntime"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('error: backend onnxruntime needs pip install "nas-engine[onnx]"')


def test_bad_settings_are_one_line(capsys):
    assert main(["latency", "build", "--out", "table.json", "--stack", "big"]) == 2
    assert "stack must be CELLS@CHANNELS or CELLSxFILTERS" in capsys.readouterr().err
