"""Graceful stop: the first Ctrl-C sets a flag, the second one interrupts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """Turns the first Ctrl-C into a request to stop; the second one raises KeyboardInterrupt.

    Args:
        announce: Called at the first Ctrl-C.

    Attributes:
        stopping: Whether Ctrl-C was pressed.
    """

    def __init__(self, announce: Callable[[], None] = lambda: None) -> None:
        self._announce = announce
        self._previous: Any = None
        self.stopping = False

    def __enter__(self) -> Self:
        """Installs the signal handler, if this is the main thread: Python allows it there only."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restores the previous signal handler."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self._announce()
