"""Contexts for the arithmetic of controllers, whose matrices are small and whose numbers may be smaller still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps matrix products in one thread.

    Threads that share the small matrices of a controller wait for each other, and wait long where training has the
    other cores: a proposal then takes ten times as long as in one thread.
    """
    with _libraries().limit(limits=1):
        yield


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Makes torch treat subnormal numbers, which slow updates of a nearly deterministic policy, as 0 in this thread."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@cache
def _libraries() -> ThreadpoolController:
    """The libraries of numpy, scipy and torch; it knows those that are loaded by now."""
    import scipy.linalg  # noqa: F401 - loads its own BLAS

    return ThreadpoolController()
