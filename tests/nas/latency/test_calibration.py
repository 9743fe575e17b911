from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from nas.latency import calibration
from nas.latency.calibration import calibrate, nominal_ms, reference_run


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The file of calibrations, not there yet; the reference network takes 2 ms, then 1 ms."""
    times = iter([0.002, 0.001])
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(calibration, "_fast_seconds", lambda *_: next(times))
    return tmp_path / "cache" / "latency.json"


def test_a_device_is_calibrated_once(file):
    assert [nominal_ms("torch", 1) for _ in range(3)] == [2.0] * 3
    assert nominal_ms("torch", 2) == 1.0
    assert nominal_ms("torch", 1) == 2.0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_is_calibrated_anew_when_asked(file):
    assert calibrate("torch", 1) == (None, 2.0)
    assert calibrate("torch", 1) == (2.0, 1.0)
    assert nominal_ms("torch", 1) == 1.0


def test_other_versions_and_devices_have_speeds_of_their_own(file, monkeypatch):
    nominal_ms("torch", 1)
    monkeypatch.setattr(calibration, "device_name", lambda _: "another processor, torch 9")
    assert nominal_ms("torch", 1) == 1.0
    assert len(json.loads(file.read_text())["reference_ms"]) == 2


def test_only_one_of_several_first_measurements_calibrates(file):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: nominal_ms("torch", 1), range(4)))
    assert found == [2.0] * 4


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 2, "reference_ms": {}}',
        '{"format": 1}',
        '{"format": 1, "reference_ms": {"a": 0}}',
        '{"format": 1, "reference_ms": {"a": true}}',
        '{"format": 1, "reference_ms": {"a": "1"}}',
    ],
)
@pytest.mark.parametrize("ask", [nominal_ms, calibrate])
def test_a_damaged_file_is_kept(file, text, ask):
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ValueError, match=r"latency.json must hold the speeds of `nas latency calibrate` \(.*remove it"):
        ask("torch", 1)
    assert file.read_text() == text


def test_a_gpu_is_not_calibrated(file):
    with pytest.raises(ValueError, match="a GPU is not calibrated; allowed: torch, onnxruntime"):
        calibrate("cuda", 1)


def test_the_reference_network_is_timed(calibrated):
    assert calibration._fast_seconds(reference_run("torch", 1), 1) > 0
