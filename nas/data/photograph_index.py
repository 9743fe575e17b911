"""Indexes of photographs: arrays in files of the cache folder that all processes map into memory."""

from __future__ import annotations

import fcntl
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.data.file_digests import cache_folder
from nas.files.atomic_write import write_bytes
from nas.files.storage import StorageError

_FOLDER = "indexes"

Index = npt.NDArray[Any]


def index_path(name: str) -> Path:
    """Path of a file in the folder of indexes."""
    return cache_folder() / _FOLDER / name


def map_names(names: Sequence[str]) -> Index:
    """Writes the names of files to the cache folder, unless they are there, and maps them into memory.

    Raises RuntimeError if there is no room.
    """
    encoded = encode_names(names)
    digest = hashlib.blake2b(np.ascontiguousarray(encoded).data, digest_size=16).hexdigest()
    path = index_path(f"{digest}.npy")
    if (index := mapped(path)) is None:
        with needing_room(path, encoded):
            keep_array(path, encoded)
            index = mapped(path)
    return encoded if index is None else index


def mapped(path: Path) -> Index | None:
    """Maps an array in a file; None if it is missing or damaged."""
    try:
        index: Index = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return index


def keep_array(path: Path, array: Index) -> None:
    """Writes an array to a file; OSError or StorageError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_bytes(path, content.getvalue())


@contextmanager
def needing_room(path: Path, array: Index | None = None) -> Iterator[None]:
    """Turns errors of writing an index into a RuntimeError that says how much room it needs."""
    try:
        yield
    except (OSError, StorageError) as error:
        cause = error.__cause__ if isinstance(error, StorageError) else error
        what = "" if array is None else f" of {len(array):,} photographs, {array.nbytes / 1e6:,.1f} MB,"
        raise RuntimeError(
            f"the index{what} cannot be kept at {path} ({getattr(cause, 'strerror', None) or error}); set NAS_CACHE to "
            "a writable folder with enough free space"
        ) from None


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Lets processes of a machine that make the same file take turns, so that only the first has to make it."""
    with needing_room(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("a", encoding="utf-8")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def encode_names(names: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Encodes names as a file system may have them."""
    return np.array([name.encode("utf-8", "surrogateescape") for name in names])


def decode_name(name: bytes) -> str:
    """Reverses `encode_names`."""
    return name.decode("utf-8", "surrogateescape")
