"""Restores signal handlers that libraries replace."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_KEPT = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def kept_signals() -> Iterator[None]:
    """Restores the handlers of SIGINT and SIGTERM at the end; Ray Tune and Ray Train replace them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _KEPT}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, so it cannot be restored
                signal.signal(number, handler)
