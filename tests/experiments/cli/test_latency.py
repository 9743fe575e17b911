from __future__ import annotations

import json
import sys

import pytest

from experiments.cli.main import main
from nas.latency import timing


@pytest.mark.usefixtures("calibrated")
def test_measure_prints_json(capsys, monkeypatch):
    monkeypatch.setattr(timing, "MIN_SECONDS", 0.05)
    assert main(["latency", "measure", "nasnet-a", "--stack", "1x2", "--image-size", "8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["backend"] == "torch"
    assert 0 < found["low_ms"] <= found["median_ms"]
    assert found["speed"] > 0


@pytest.mark.usefixtures("calibrated")
def test_calibrate_prints_json_or_a_line(capsys):
    assert main(["latency", "calibrate", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reference_ms"] > 0
    assert main(["latency", "calibrate"]) == 0
    assert f"{found['reference_ms']:.3f} ms before: latencies are" in capsys.readouterr().out


def test_a_damaged_file_of_calibrations_is_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    (tmp_path / "latency.json").write_text("{")
    for command in (["calibrate"], ["measure", "nasnet-a", "--stack", "1x2", "--image-size", "8"]):
        assert main(["latency", *command]) == 2
        assert "must hold the speeds of `nas latency calibrate`" in capsys.readouterr().err.splitlines()[-1]


def test_a_gpu_is_not_calibrated(capsys):
    assert main(["latency", "calibrate", "--backend", "cuda"]) == 2
    assert "the speed of a GPU is not calibrated" in capsys.readouterr().err


def test_a_backend_that_is_not_installed_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["latency", "measure", "nasnet-a", "--backend", "onnxruntime"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('error: backend onnxruntime needs pip install "nas-engine[onnx]"')


def test_bad_settings_are_one_line(capsys):
    assert main(["latency", "build", "--out", "table.json", "--stack", "big"]) == 2
    assert "stack must be CELLS@CHANNELS or CELLSxFILTERS" in capsys.readouterr().err
