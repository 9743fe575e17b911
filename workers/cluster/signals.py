"""Signals stay with the program that was started: libraries set handlers, and leave them behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_KEPT = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def kept_signals() -> Iterator[None]:
    """Afterwards Ctrl-C and termination are handled as before; Ray Tune and Ray Train set handlers of their own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _KEPT}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it was not set from Python, and cannot be set again
                signal.signal(number, handler)
