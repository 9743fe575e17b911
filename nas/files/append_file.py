"""A file that only grows, and that a thread keeps bringing to the disk."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path


class AppendFile:
    """Appends to a file that has no other writer.

    An append returns once the operating system holds the bytes: from then on no end of this process loses them, not
    even ``kill -9``. A thread brings them to the disk at once, and all that came meanwhile together, so that nobody
    waits for the disk. A power cut can take what was appended while that was under way: the end of the file, since
    each time everything written before goes along.

    Args:
        path: the file; made if missing, in a folder that exists.
        size: bytes to keep; what the file holds beyond them is cut off.

    Raises:
        OSError: if the file cannot be opened.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._size = self._safe_size = size
        self._error: OSError | None = None
        self._is_closing = False
        self._changed = threading.Condition()
        try:
            os.ftruncate(self._descriptor, size)
            _sync_folder(path.parent)
            self._thread = threading.Thread(target=self._sync, name=f"sync of {path.name}", daemon=True)
            self._thread.start()
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, data: bytes) -> None:
        """Appends all of the data or nothing.

        Raises:
            RuntimeError: if the file cannot be written, or what was appended before did not reach the disk; what did
                reach it still reads.
        """
        with self._changed:
            if self._error is not None:
                raise self._explain(self._error) from self._error
            try:
                _write_all(self._descriptor, data)
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                raise self._explain(error) from error
            self._size += len(data)
            self._changed.notify()

    def close(self) -> None:
        """Waits until everything is on the disk.

        Raises:
            RuntimeError: if it did not get there.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()
        os.close(self._descriptor)
        if self._error is not None:
            raise self._explain(self._error) from self._error

    def _sync(self) -> None:
        while (size := self._next_size()) is not None:
            try:
                os.fsync(self._descriptor)
            except OSError as error:  # such as a full disk of a file server, which tells only now
                self._give_up(error)
                return
            self._safe_size = size

    def _next_size(self) -> int | None:
        """Waits for something to bring to the disk; None once the file is closed and all of it is there."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._size > self._safe_size)
            return self._size if self._size > self._safe_size else None

    def _give_up(self, error: OSError) -> None:
        with self._changed:
            self._error = error
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._safe_size)

    def _explain(self, error: OSError) -> RuntimeError:
        return RuntimeError(
            f"{self._path} cannot be written: {error.strerror}; all that it holds is safe: make room "
            "and give the same command again"
        )


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """Makes a new file's name as durable as its contents."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems do not sync folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
