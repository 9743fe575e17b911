"""`nas latency measure`: the latency of a named network, or of an exported ONNX model."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from experiments.architectures.find import NetworkOptions, find_architecture, network_spec
from nas.export.programs import PROGRAMS
from nas.latency.backends import check_backend, device_name
from nas.latency.calibration import calibrate
from nas.latency.measure import measure_latency
from nas.latency.settings import LatencySettings
from nas.latency.time_network import time_onnx
from nas.latency.timing import Latency

_TOO_FAST = 1.1


def measure_named(text: str, settings: LatencySettings) -> dict[str, Any]:
    """Measures an architecture, see `experiments.architectures.find`, or an ONNX model, a file or in a folder.

    Returns plain data: what was measured, where, and `nas.latency.timing.Latency`. Raises ValueError if there is no
    such network, and RuntimeError if the backend cannot be used here.
    """
    check_backend(settings.backend)
    path = Path(text)
    model = path if path.suffix == ".onnx" else path / PROGRAMS["onnx"][0]
    if settings.backend == "onnxruntime" and model.is_file() and not settings.is_full:
        latency, what = _measure_onnx(model, settings), str(model)
    else:
        source = find_architecture(text)
        latency, what = measure_latency(source.architecture, network_spec(source, NetworkOptions()), settings), text
    return {"network": what, "device": device_name(settings.backend), **settings.conditions(), **asdict(latency)}


def latency_line(found: dict[str, Any]) -> str:
    """The latency in one line, and a second one where the device is faster than when it was calibrated."""
    interval = f"{found['low_ms']:.3f} to {found['high_ms']:.3f}"
    line = (
        f"{found['network']}: {found['median_ms']:.3f} ms (95 % interval of the median {interval}, spread "
        f"{found['spread_ms']:.3f}) for {_counted(found['batch'], 'image')}, {_where(found)}"
    )
    speed = found["speed"]
    if speed is None:
        return line
    line += f"; at {speed:.0%} of the device's nominal speed, {found['raw_ms']:.3f} ms as measured"
    if speed < _TOO_FAST:
        return line
    command = f"nas latency calibrate --backend {found['backend']} --threads {found['threads']}"
    return f"{line}\nthe device was calibrated while it was busy; calibrate it anew: {command}"


def calibrate_device(backend: str, threads: int) -> dict[str, Any]:
    """Measures the nominal speed of this device anew, see `nas.latency.calibration.calibrate`; returns plain data."""
    before, now = calibrate(backend, threads)
    where = {"device": device_name(backend), "backend": backend, "threads": threads}
    return {**where, "reference_ms": now, "reference_ms_before": before}


def calibration_line(found: dict[str, Any]) -> str:
    """The calibration in one line."""
    before, now = found["reference_ms_before"], found["reference_ms"]
    change = "" if before is None else f", {before:.3f} ms before: latencies are {now / before - 1:+.1%} from now on"
    return f"{_where(found)}: the reference network takes {now:.3f} ms{change}"


def _where(found: dict[str, Any]) -> str:
    return f"{found['backend']}, {_counted(found['threads'], 'thread')}; {found['device']}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _measure_onnx(model: Path, settings: LatencySettings) -> Latency:
    runtime: Any = import_module("onnxruntime")
    try:
        shape = runtime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs()[0].shape
    except Exception as error:  # onnxruntime raises classes of its own
        raise ValueError(f"{model} is not an ONNX model that can be run: {error}") from None
    images = torch.randn(settings.batch, *shape[1:], generator=torch.Generator().manual_seed(0))
    return time_onnx(str(model), images, settings)
