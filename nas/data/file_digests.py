"""Digests of the contents of files, remembered so that each file is read once.

Digests are kept in the cache folder, one file for each folder of data. A file is read again if its size, time of
modification, time of change or inode differ: the last two also show a copy that keeps size and time (``rsync -t``,
``cp -p``).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas.architecture import fingerprint_json
from nas.data.identity import FileDigest
from nas.files.atomic_write import write_text
from nas.files.strict_json import parse_json

_FOLDER = "digests"
_MAX_THREADS = 16
_SETTLED_NS = 2 * 10**9
"""A file changed less than 2 s ago may change again without a new time, so its digest is not kept."""


def cache_folder() -> Path:
    """Returns the cache folder: `$NAS_CACHE`, else ``nas-engine`` in the user's cache folder."""
    if chosen := os.environ.get("NAS_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nas-engine"


def digest_files(folder: Path, names: Sequence[str]) -> dict[str, FileDigest]:
    """Returns size and digest of files by their paths relative to a folder; OSError if one cannot be read."""
    store = cache_folder() / _FOLDER / f"{fingerprint_json(str(folder.resolve()))}.json"
    known = _read(store)
    now = time.time_ns()

    def look(name: str) -> list[Any]:
        stat = (folder / name).stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        entry = known.get(name)
        if isinstance(entry, list) and entry[:-1] == state:
            return entry
        return [*state, digest_file(folder / name)]

    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as threads:
        found = dict(zip(names, threads.map(look, names), strict=True))
    settled = {name: entry for name, entry in found.items() if max(entry[1:3]) < now - _SETTLED_NS}
    if not settled.items() <= known.items():
        with suppress(OSError, RuntimeError):  # without a cache every file is read again
            store.parent.mkdir(parents=True, exist_ok=True)
            write_text(store, json.dumps({**known, **settled}) + "\n")
    return {name: (entry[0], entry[-1]) for name, entry in found.items()}


def digest_file(path: Path) -> str:
    """Returns 32 hexadecimal digits that depend on the contents of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _read(store: Path) -> Mapping[str, Any]:
    try:
        value = parse_json(store.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
