"""Watches a Ray that runs on this machine: its end, and SIGTERM, end the work in one line."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ray._private import worker as ray_worker

from workers.errors import first_line

TERMINATED = 128 + signal.SIGTERM
"""Exit code after SIGTERM."""

_LOGGER = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5


class _Ended(BaseException):
    """Raised in the main thread; not an Exception, so that nothing between takes it for an error of a trial."""


@contextmanager
def watched_ray() -> Iterator[None]:
    """Ends the with block soon after a process of the local Ray has ended, with RuntimeError.

    SIGTERM ends it with SystemExit, without the stack trace that Ray's own handler prints. Does nothing outside of the
    main thread, where Python allows no signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lost: list[str] = []
    done = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Ended

    before = signal.signal(signal.SIGTERM, end)
    node: Any = ray_worker._global_node  # noqa: SLF001 - not public; None if this process joined a cluster
    threading.Thread(target=_watch, args=(node, lost, done), name="watch of Ray", daemon=True).start()
    try:
        yield
    except _Ended:
        if not lost:
            raise SystemExit(TERMINATED) from None
        node.kill_all_processes(check_alive=False, allow_graceful=False)  # else leaving the connection waits for them
        raise RuntimeError(
            f"Ray's process {lost[0]} ended unexpectedly, possibly for lack of memory; everything recorded so far is "
            "safe: rerun the command"
        ) from None
    finally:
        done.set()
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextmanager
def quiet_ray() -> Iterator[None]:
    """Logs Ray's messages in one line each instead of printing them, as pages of its logs."""
    before = ray_worker.print_to_stdstream

    def log(data: dict[str, Any], ignore_prefix: bool = False) -> None:  # noqa: ARG001 - Ray's signature
        _LOGGER.warning("Ray: %s", first_line(RuntimeError("\n".join(data["lines"]))))

    ray_worker.print_to_stdstream = log
    try:
        yield
    finally:
        ray_worker.print_to_stdstream = before


def _watch(node: Any, lost: list[str], done: threading.Event) -> None:  # noqa: ANN401 - Ray's
    while node is not None and not done.wait(_LOOK_SECONDS):
        if ended := [name for name, _ in node.dead_processes() if name in ("raylet", "gcs_server")]:
            lost.extend(ended)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            return
