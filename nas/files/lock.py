"""Lock file that allows one writer at a time and names its holder."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas.files.storage import is_at, open_to_write
from nas.files.strict_json import parse_json

_LOGGER = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0


class FileLock:
    """Context manager that holds a lock file.

    On one machine, the operating system's lock decides; it ends with the process that holds it. Since network file
    systems do not always pass on that lock, the file also names its holder, and the holder touches it every few
    seconds. On another machine, the lock counts as held until it has not been touched for `STALE_SECONDS`. The file is
    emptied but not removed on release.
    """

    def __init__(self, path: Path, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._path = path
        self._heartbeat_seconds = heartbeat_seconds
        self._descriptor = -1
        self._released = threading.Event()

    def __enter__(self) -> Self:
        """Takes the lock.

        Raises RuntimeError, which names process, host and time, if another holds it, and StorageError if the file
        cannot be opened; a symbolic link is not followed.
        """
        descriptor = open_to_write(self._path, os.O_RDWR)
        try:
            self._check_free(descriptor)
            self._sign(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._released.clear()
        threading.Thread(target=self._beat, name="lock heartbeat", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Releases the lock."""
        self._released.set()
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _check_free(self, descriptor: int) -> None:
        locked = _try_lock(descriptor)
        holder = _read_holder(descriptor)
        if locked is False or (holder is not None and self._is_alive(holder, descriptor, locked=locked)):
            raise RuntimeError(f"{self._path.parent} is in use {_describe(holder)}; wait for it, or stop it first")

    def _is_alive(self, holder: dict[str, Any], descriptor: int, *, locked: bool | None) -> bool:
        if holder.get("host") == socket.gethostname():
            return locked is None and _process_exists(holder.get("pid"))
        return _file_system_time(self._path.parent) - os.fstat(descriptor).st_mtime < STALE_SECONDS

    def _sign(self, descriptor: int) -> None:
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)

    def _beat(self) -> None:
        while not self._released.wait(self._heartbeat_seconds):
            descriptor = self._descriptor
            if not is_at(self._path, descriptor):
                if not self._released.is_set():
                    _LOGGER.warning("%s was moved, removed or replaced; the run in it is lost", self._path.parent)
                return
            with suppress(OSError):
                os.utime(descriptor)


def _try_lock(descriptor: int) -> bool | None:
    """Tries to take the operating system's lock; returns None if the file system does not support locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}:
            return None
        raise
    return True


def _read_holder(descriptor: int) -> dict[str, Any] | None:
    try:
        holder = parse_json(os.pread(descriptor, 4096, 0))
    except ValueError:  # empty: released
        return None
    return holder if isinstance(holder, dict) else None


def _describe(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "by another process"
    since = holder.get("since")
    is_time = isinstance(since, int | float) and 0 <= since < 1e11
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since)) if is_time else "an unknown time"
    return f"by process {holder.get('pid')!s:.20} on {holder.get('host')!s:.100} since {when}"


def _process_exists(pid: object) -> bool:
    if not isinstance(pid, int) or not 0 < pid < 2**31:  # 0 and below address process groups
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH  # a process of another user exists
    return True


def _file_system_time(folder: Path) -> float:
    """Returns the current time of the clock that stamps files there, which may be that of another machine."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock-") as probe:
        return os.fstat(probe.fileno()).st_mtime
