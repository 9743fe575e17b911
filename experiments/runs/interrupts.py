"""Ctrl-C once asks to stop, twice lets go."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """Holds back the first Ctrl-C while it is entered; the second one raises KeyboardInterrupt as usual.

    Args:
        announce: called at the first Ctrl-C.
    """

    def __init__(self, announce: Callable[[], None] = lambda: None) -> None:
        self._announce = announce
        self._previous: Any = None
        self.stopping = False

    def __enter__(self) -> Self:
        """Takes over Ctrl-C; Python allows that in the main thread only, elsewhere nothing changes."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives Ctrl-C back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self._announce()
