"""What runs a network: torch on the CPU, torch on a GPU, or ONNX Runtime on the CPU."""

from __future__ import annotations

import fcntl
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.export.programs import onnx_bytes
from nas.latency.settings import LatencySettings
from nas.latency.timing import Latency, measure_seconds, summarize_until
from nas.training.device import num_threads


def time_network(network: nn.Module, images: Tensor, settings: LatencySettings) -> Latency:
    """Times a network in evaluation mode on some images.

    Only one process of this user measures at a time on a machine.

    Raises:
        RuntimeError: if the backend is not installed, or there is no GPU for ``cuda``.
    """
    check_backend(settings.backend)
    limits: dict[str, float] = {"precision": settings.precision, "max_seconds": settings.max_seconds}
    network = network.eval()
    if settings.backend == "onnxruntime":
        return time_onnx(onnx_bytes(network, images), images, settings)
    with _alone(), torch.inference_mode(), num_threads(settings.threads):
        if settings.backend == "cuda":
            return summarize_until(_cuda_sample(network.cuda(), images.cuda()), **limits)
        return measure_seconds(lambda: network(images), threads=settings.threads, **limits)


def time_onnx(model: bytes | str, images: Tensor, settings: LatencySettings) -> Latency:
    """Times an ONNX model, its bytes or its path, on some images; see `time_network`."""
    check_backend("onnxruntime")
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = settings.threads, 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images.numpy()}
    with _alone():
        return measure_seconds(
            lambda: session.run(None, feed),
            threads=settings.threads,
            precision=settings.precision,
            max_seconds=settings.max_seconds,
        )


def check_backend(backend: str) -> None:
    """Raises RuntimeError if a backend cannot be used here."""
    if backend == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("backend cuda needs a GPU that torch can use, got none; allowed: torch, onnxruntime")
    if backend == "onnxruntime":
        try:
            for name in ("onnx", "onnxscript", "onnxruntime"):
                import_module(name)
        except ImportError as error:
            raise RuntimeError(f'backend onnxruntime needs pip install "nas-engine[onnx]": {error}') from None


def device_name(backend: str) -> str:
    """The processor or GPU, and the versions of what runs the network."""
    versions = f"torch {torch.__version__}"
    if backend == "cuda":
        return f"{torch.cuda.get_device_name()}, {versions}"
    if backend == "onnxruntime":
        versions = f"onnxruntime {import_module('onnxruntime').__version__}"
    return f"{_processor()}, {versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


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


@contextmanager
def _alone() -> Iterator[None]:
    """Waits until no other process of this user measures on this machine."""
    path = Path(tempfile.gettempdir()) / f"nas-engine-latency-{os.getuid()}.lock"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
