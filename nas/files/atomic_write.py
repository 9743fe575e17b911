"""Atomic writing: a reader finds either the previous file or the complete new one."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nas.files.storage import writing

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?:[0-9a-f]{12}\.tmp|\d+)", re.DOTALL)  # \d+: those of version 0.1


def write_bytes(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Writes a file under a temporary name, syncs it and renames it, so that a symbolic link is replaced, not followed.

    Args:
        path: the file; its folder must exist.
        content: the whole content.
        mode: permissions, of which those of the umask are taken away.

    Raises:
        StorageError: if it cannot be written; the previous file is kept.
    """
    with replaced_file(path, mode=mode) as descriptor, os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Writes a text file in UTF-8, see `write_bytes`."""
    write_bytes(path, text.encode(), mode=mode)


@contextmanager
def replaced_file(path: Path, *, mode: int = 0o666) -> Iterator[int]:
    """Yields the descriptor of a temporary file, which replaces the file at the end; see `write_bytes`.

    The writer holds a lock on the temporary file, by which `remove_unfinished` knows that it is alive.
    """
    with writing(path):
        remove_unfinished(path.parent, path.name)
        descriptor, temporary = _create(path, mode)
        try:
            yield descriptor
            os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        finally:
            os.close(descriptor)


def remove_unfinished(folder: Path, name: str | None = None) -> None:
    """Removes temporary files whose writer was killed, in a folder: those of one file, or all."""
    for path in folder.glob(".*"):
        match = _TEMPORARY.fullmatch(path.name)
        if match is not None and name in (None, match["name"]):
            with suppress(OSError):
                _remove_unlocked(path)


def _create(path: Path, mode: int) -> tuple[int, Path]:
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:  # else it was taken for a leftover before it was locked
            return descriptor, temporary
        os.close(descriptor)


def _remove_unlocked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)
