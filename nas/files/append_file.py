"""Append-only file, synced to disk by a background thread."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from nas.files.storage import StorageError, cannot_write, is_at, open_to_write, writing


class AppendFile:
    """Appends to a file that has no other writer.

    `append` returns once the operating system has the data, which is then safe even if the process is killed. A thread
    syncs it to disk as soon as possible, together with whatever was appended meanwhile, so that no caller waits for the
    disk. A power cut can lose the data not yet synced, always at the end of the file.

    The file is created if missing and truncated to `size` bytes. Raises StorageError if it cannot be opened or is not a
    regular file; symbolic links are not followed.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._descriptor = open_to_write(path, os.O_WRONLY | os.O_APPEND)
        self._size = self._safe_size = size
        self._error: OSError | None = None
        self._is_closing = False
        self._changed = threading.Condition()
        try:
            with writing(path):
                os.ftruncate(self._descriptor, size)
                _sync_folder(path.parent)
            self._thread = threading.Thread(target=self._sync, name=f"sync of {path.name}", daemon=True)
            self._thread.start()
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, data: bytes) -> None:
        """Appends all of the data, or nothing if an error occurs.

        Raises StorageError if the file cannot be written, is no longer the one at its path, or earlier data could not
        be synced; synced data stays.
        """
        with self._changed:
            if self._error is not None:
                raise cannot_write(self._path, self._error) from self._error
            if not is_at(self._path, self._descriptor):
                raise StorageError(
                    f"{self._path} was moved, removed or replaced while it was being written; "
                    "restore the folder and rerun the command"
                )
            try:
                _write_all(self._descriptor, data)
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                raise cannot_write(self._path, error) from error
            self._size += len(data)
            self._changed.notify()

    def close(self) -> None:
        """Waits until all data is synced and closes the file; raises StorageError if it could not be synced."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()
        os.close(self._descriptor)
        if self._error is not None:
            raise cannot_write(self._path, self._error) from self._error

    def _sync(self) -> None:
        while (size := self._next_size()) is not None:
            try:
                os.fsync(self._descriptor)
            except OSError as error:  # e.g. a full disk of a file server, which is reported only now
                with self._changed, suppress(OSError):
                    self._error = error
                    os.ftruncate(self._descriptor, self._safe_size)
                return
            self._safe_size = size

    def _next_size(self) -> int | None:
        """Waits for data to sync and returns the new size; None once the file is closed and synced."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._size > self._safe_size)
            return self._size if self._size > self._safe_size else None


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """Syncs the folder, so that a new file survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems do not sync folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
