"""Device, precision, threads and random state of a training run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, cast

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler


class Computing(Protocol):
    """Device and precision settings of a recipe."""

    @property
    def device(self) -> str:
        """``auto``, ``cpu`` or ``cuda``."""

    @property
    def precision(self) -> str:
        """``auto``, ``float32``, ``bfloat16`` or ``float16``."""


def choose_device(recipe: Computing) -> torch.device:
    """Returns the device set in the recipe; raises RuntimeError if it is CUDA and not available."""
    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("device cuda needs a GPU that torch can use, and there is none; allowed: auto, cpu")
    if recipe.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def choose_dtype(recipe: Computing, device: torch.device) -> torch.dtype:
    """Returns the dtype of convolutions and matrix products; weights stay float32.

    Raises ValueError if it is float16 on a CPU, which has no fast float16 arithmetic.
    """
    if recipe.precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if recipe.precision == "float16" and device.type != "cuda":
        raise ValueError("precision float16 needs CUDA, got the device cpu; allowed there: auto, float32, bfloat16")
    dtype: torch.dtype = getattr(torch, recipe.precision)
    return dtype


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Returns the context in which the network is called."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def build_scaler(device: torch.device, dtype: torch.dtype) -> GradScaler:
    """Builds a loss scaler that avoids vanishing gradients in float16; it is disabled for other dtypes."""
    return GradScaler(device.type, enabled=dtype == torch.float16)


def compile_network(network: nn.Module, device: torch.device, *, alone: bool = True) -> nn.Module:
    """Compiles a network; on a GPU with CUDA graphs, since cells consist of many small kernels, but not among others.

    Gradients of a CUDA graph are in memory that it uses again, from which they cannot be exchanged.
    """
    mode = "reduce-overhead" if device.type == "cuda" and alone else "default"
    return cast("nn.Module", torch.compile(network, dynamic=False, mode=mode))


@contextmanager
def num_threads(count: int) -> Iterator[None]:
    """Sets the number of CPU threads within the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds torch's global generators, used by dropout, within the context; their states are restored afterwards."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would touch every device
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield
