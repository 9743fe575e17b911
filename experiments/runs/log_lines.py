"""Log messages as lines of the display, such as lost workers or a cluster that changes its size."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def forward_log(name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Forwards the messages of a logger and its children to `say`, unless the logger is configured already."""
    logger = logging.getLogger(name)
    if logger.handlers or logger.level != logging.NOTSET:
        yield
        return
    handler = _ForwardingHandler(say)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


class _ForwardingHandler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        try:
            prefix = "warning: " if record.levelno >= logging.WARNING else ""
            self._say(prefix + record.getMessage())
        except Exception:  # as in logging: a message must not stop the code that logs it
            self.handleError(record)
