"""Times a network on a device, on a CPU beside the reference network."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nas.export.programs import onnx_bytes
from nas.latency.backends import check_backend, measuring, onnx_run
from nas.latency.calibration import nominal_ms, reference_run
from nas.latency.settings import LatencySettings
from nas.latency.timing import Latency, Reference, measure_seconds, summarize_until


def time_network(network: nn.Module, images: Tensor, settings: LatencySettings, bound_ms: float = math.inf) -> Latency:
    """Times a network in evaluation mode on some images, until it is known to be above the bound.

    Only one process of this user measures at a time on a machine. On a CPU, latency is that at the device's nominal
    speed, see `nas.latency.calibration`.

    Raises:
        RuntimeError: if the backend is not installed, or there is no GPU for ``cuda``.
        ValueError: if the file of calibrations is damaged.
    """
    check_backend(settings.backend)
    network = network.eval()
    if settings.backend == "onnxruntime":
        return time_onnx(onnx_bytes(network, images), images, settings, bound_ms)
    if settings.backend == "torch":
        return _time_on_cpu(lambda: network(images), settings, bound_ms)
    with measuring(settings.threads):
        sample = _cuda_sample(network.cuda(), images.cuda())
        return summarize_until(
            sample, precision=settings.precision, max_seconds=settings.max_seconds, bound_ms=bound_ms
        )


def time_onnx(model: bytes | str, images: Tensor, settings: LatencySettings, bound_ms: float = math.inf) -> Latency:
    """Times an ONNX model, its bytes or its path, on some images; see `time_network`."""
    check_backend("onnxruntime")
    return _time_on_cpu(onnx_run(model, images, settings.threads), settings, bound_ms)


def _time_on_cpu(run: Callable[[], object], settings: LatencySettings, bound_ms: float) -> Latency:
    threads = settings.threads
    nominal = nominal_ms(settings.backend, threads)
    reference = Reference(reference_run(settings.backend, threads), nominal / 1000)
    limits = {"precision": settings.precision, "max_seconds": settings.max_seconds, "bound_ms": bound_ms}
    with measuring(threads):
        return measure_seconds(run, reference, threads=threads, **limits)


def _cuda_sample(network: nn.Module, images: Tensor) -> Callable[[], tuple[float, bool]]:
    """A sample between two events on the GPU, after a warm-up."""
    for _ in range(10):
        network(images)
    torch.cuda.synchronize()

    def sample() -> tuple[float, bool]:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        network(images)
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000, False

    return sample
