"""Waiting for Ray tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ray


def wait_for_any(tasks: Iterable[Any], *, timeout_seconds: float) -> Any | None:  # noqa: ANN401 - Ray's references
    """Returns the first task with a result, or None after the timeout. Exceptions of signal handlers pass through."""
    try:
        ready, _ = ray.wait(list(tasks), timeout=timeout_seconds)
    except SystemError as error:  # how an exception from a signal handler leaves Ray's native code
        raise error.__cause__ or error from None
    return ready[0] if ready else None
