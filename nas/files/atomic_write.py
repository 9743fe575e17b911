"""Atomic writing: a reader finds either the previous file or the complete new one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name, syncs it and renames it; raises OSError and keeps the previous file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, see `write_bytes`; raises RuntimeError if it cannot be written."""
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        raise RuntimeError(f"{path} cannot be written: {error.strerror or error}") from None
