"""Errors of storage, which end a run instead of counting as the outcome of a trial, and folders."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}


class StorageError(RuntimeError):
    """A file or folder of a run cannot be written: a full disk, a missing permission or folder, a failing device.

    It says nothing about the network of a trial, so pools pass it on instead of making it a failure of the trial.
    Evaluators from elsewhere may raise it too.
    """


def cannot_write(path: Path, error: OSError) -> StorageError:
    """Returns the error to raise instead of `error`, with the path and what to do."""
    if error.errno in _FULL:
        todo = "free disk space and rerun the command"
    elif error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
        return StorageError(f"{path} must be a file, and no symbolic link; remove it and rerun the command")
    else:
        todo = "make the folder available and writable, and rerun the command"
    reason = error.strerror or error
    return StorageError(f"{path} cannot be written: {reason}; everything recorded so far is safe: {todo}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into a `StorageError` that names the path."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def make_folder(path: Path) -> None:
    """Creates a folder and its parents; StorageError if it cannot be created."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the folder {path} cannot be created: {error.strerror}") from None


def open_to_write(path: Path, flags: int) -> int:
    """Opens a file with the flags of `os.open`, creates it if missing, and returns its descriptor.

    Raises StorageError if it cannot be opened or is not a regular file; symbolic links are not followed.
    """
    with writing(path):
        descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
    return descriptor


def is_at(path: Path, descriptor: int) -> bool:
    """Returns whether the open file is still the one at the path; False if it was moved, removed or replaced."""
    try:
        there = os.lstat(path)
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))
