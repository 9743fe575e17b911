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
from torch import Tensor

from nas.training.device import num_threads


@contextmanager
def measuring(threads: int) -> Iterator[None]:
    """Waits until no other process of this user measures on this machine, and sets the threads of torch."""
    path = Path(tempfile.gettempdir()) / f"nas-engine-latency-{os.getuid()}.lock"
    with path.open("a") as file, torch.inference_mode(), num_threads(threads):
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def onnx_run(model: bytes | str, images: Tensor, threads: int) -> Callable[[], object]:
    """Returns a run of an ONNX model, its bytes or its path, on some images by ONNX Runtime on the CPU."""
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # its threads take no core between runs
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images.numpy()}
    return lambda: session.run(None, feed)


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
