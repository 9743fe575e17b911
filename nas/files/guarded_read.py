"""Reading of small files that may have been replaced by something else: a pipe, a device, a file of any size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from nas.files.strict_json import parse_json

MAX_BYTES = 64 * 2**20
"""Default maximum size of a file, bytes."""


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading; never waits, as opening a pipe would.

    Raises:
        ValueError: if it is not a regular file.
        OSError: if it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} must be a file")
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Returns the content of a file; see `open_regular`, and ValueError if it is larger than `max_bytes`."""
    with open_regular(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{path} must have at most {max_bytes} bytes")
    return content


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Returns the content of a text file in UTF-8; see `read_bytes`."""
    try:
        return read_bytes(path, max_bytes=max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


def read_json(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:  # noqa: ANN401 - any JSON value
    """Returns the JSON value in a file; see `read_bytes`. A ValueError names the file."""
    content = read_bytes(path, max_bytes=max_bytes)
    try:
        return parse_json(content)
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None


def read_json_object(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file; see `read_json`."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a JSON object, got {value!r:.60}")
    return value
