"""Signals beside Ray: handlers that it replaces, and exceptions of handlers while a task is awaited."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import ray


@contextmanager
def kept_signals() -> Iterator[None]:
    """Restores the handlers of SIGINT and SIGTERM at the end; Ray Tune and Ray Train replace them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, so it cannot be restored
                signal.signal(number, handler)


def wait_for_any(tasks: Iterable[Any], *, timeout_seconds: float) -> Any | None:  # noqa: ANN401 - Ray's references
    """Returns the first task with a result, or None after the timeout. Exceptions of signal handlers pass through."""
    try:
        ready, _ = ray.wait(list(tasks), timeout=timeout_seconds)
    except SystemError as error:  # how an exception from a signal handler leaves Ray's native code
        raise error.__cause__ or error from None
    return ready[0] if ready else None
