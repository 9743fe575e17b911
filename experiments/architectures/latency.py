"""`nas latency measure`: the latency of a named network, or of an exported ONNX model."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from experiments.architectures.find import NetworkOptions, find_architecture, network_spec
from nas.export.programs import PROGRAMS
from nas.latency.backends import check_backend, device_name, time_onnx
from nas.latency.measure import measure_latency
from nas.latency.settings import LatencySettings
from nas.latency.timing import Latency


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
    """The latency in one line."""
    interval = f"{found['low_ms']:.3f} to {found['high_ms']:.3f}"
    return (
        f"{found['network']}: {found['median_ms']:.3f} ms (95 % interval of the median {interval}, spread "
        f"{found['spread_ms']:.3f}) for {found['batch']} image{'s' if found['batch'] > 1 else ''}, {found['backend']}, "
        f"{found['threads']} thread{'s' if found['threads'] > 1 else ''}; {found['device']}"
    )


def _measure_onnx(model: Path, settings: LatencySettings) -> Latency:
    runtime: Any = import_module("onnxruntime")
    try:
        shape = runtime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs()[0].shape
    except Exception as error:  # onnxruntime raises classes of its own
        raise ValueError(f"{model} is not an ONNX model that can be run: {error}") from None
    images = torch.randn(settings.batch, *shape[1:], generator=torch.Generator().manual_seed(0))
    return time_onnx(str(model), images, settings)
