"""What the workers' log says, as lines of the display: lost workers, a cluster that is pending or changes its size."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def forward_log(name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Within it, messages of a logger and those below it are said; a logger that somebody has set up is left alone.

    Args:
        name: of the logger, such as that of a package.
        say: takes the text of a message.
    """
    logger = logging.getLogger(name)
    if logger.handlers or logger.level != logging.NOTSET:
        yield
        return
    handler = _SayingHandler(say)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


class _SayingHandler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        try:
            prefix = "warning: " if record.levelno >= logging.WARNING else ""
            self._say(prefix + record.getMessage())
        except Exception:  # as logging has it, what is said must not stop who says it
            self.handleError(record)
