"""Graceful stop: the first Ctrl-C sets a flag, the second one interrupts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self


class Interrupts:
    """Calls `announce` and sets `stopping` at the first Ctrl-C; the second one raises KeyboardInterrupt."""

    def __init__(self, announce: Callable[[], None] = lambda: None) -> None:
        self._announce = announce
        self._previous: Any = None
        self.stopping = False

    def __enter__(self) -> Self:
        """Installs the signal handler, if this is the main thread: Python allows it there only."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        """Restores the previous signal handler."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self._announce()
