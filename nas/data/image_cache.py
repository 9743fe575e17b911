"""Decoded images kept on disk, so that a folder is decoded once.

An entry is a folder of the cache whose name holds a digest of the names, sizes and times of change of all files that
were decoded. A data folder that changes gets another entry, and two processes that build one at once make the same:
whichever renames its own into place first has made the entry, and the other drops what it built.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.architecture import fingerprint_json
from nas.data.data_set import Images, Progress
from nas.data.image_decoding import decode_blocks

_FORMAT = 1
_ARRAY = "images.npy"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class FileList:
    """The image files of one folder.

    Attributes:
        folder: where they lie.
        names: relative to it.
        part: what of the folder they are, where it has several entries at once.
    """

    folder: Path
    names: tuple[str, ...]
    part: str = ""

    @property
    def paths(self) -> list[Path]:
        """The complete paths of the files."""
        return [self.folder / name for name in self.names]


def cache_folder() -> Path:
    """Where decoded images are kept: `$NAS_CACHE`, else ``nas-engine`` in the user's cache folder."""
    if chosen := os.environ.get("NAS_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nas-engine"


def cached_images(files: FileList, size: int | None, *, progress: Progress | None = None) -> Images:
    """Returns the decoded images of a folder, from the cache where they are there already.

    Args:
        files: what is decoded, in this order.
        size: see `nas.data.image_decoding.decode_image`.
        progress: called with the number of images decoded and of all, if they must be decoded.

    Returns:
        uint8 of shape (images, 3, height, width), read from disk as it is used.

    Raises:
        ValueError: if a file does not decode or the sizes differ; names the file.
        RuntimeError: if the cache cannot be written.
    """
    manifest = _manifest(files, size)
    entry = cache_folder() / _entry_name(manifest)
    images = _open(entry, len(files.names))
    if images is None:
        _build(entry, manifest, _report(decode_blocks(files.paths, size), len(files.names), progress))
        images = _open(entry, len(files.names))
    if images is None:
        raise RuntimeError(f"the cache entry {entry} cannot be read back; remove it and try again")
    return images


def _manifest(files: FileList, size: int | None) -> dict[str, Any]:
    stats = [path.stat() for path in files.paths]
    listed = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in zip(files.names, stats, strict=True)]
    place = {"format": _FORMAT, "folder": str(files.folder.resolve()), "image_size": size}
    return {**place, **({"part": files.part} if files.part else {}), "files": listed}


def _entry_name(manifest: dict[str, Any]) -> str:
    """The first part is the same for all states of a folder, the second for this state only."""
    place = {key: value for key, value in manifest.items() if key != "files"}
    return f"{fingerprint_json(place)[:12]}-{fingerprint_json(manifest)}"


def _open(entry: Path, num_images: int) -> Images | None:
    """Opens an entry; None if there is none, or it is damaged."""
    try:
        images: Images = np.load(entry / _ARRAY, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return images if images.dtype == np.uint8 and len(images) == num_images else None


def _build(entry: Path, manifest: dict[str, Any], blocks: Iterator[Images]) -> None:
    """Builds an entry beside its place and renames it there, so that nobody ever sees half of one."""
    num_images = len(manifest["files"])
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{entry.name[:12]}-", dir=entry.parent))
    except OSError as error:
        raise _not_writable(entry, error) from None
    try:
        _write_array(building / _ARRAY, blocks, num_images=num_images)
        (building / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        _publish(building, entry, num_images=num_images)
    except OSError as error:
        raise _not_writable(entry, error) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _write_array(path: Path, blocks: Iterator[Images], *, num_images: int) -> None:
    """Writes blocks as they come: a set larger than memory is fine, and a full disk is an error, not a crash."""
    with path.open("wb") as file:
        for index, block in enumerate(blocks):
            if index == 0:
                shape = (num_images, *block.shape[1:])
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(block.data)


def _publish(building: Path, entry: Path, *, num_images: int) -> None:
    """Puts a complete entry in its place and removes those of earlier states of the same folder."""
    if _open(entry, num_images) is None:  # a damaged one stands in the way
        shutil.rmtree(entry, ignore_errors=True)
    try:
        building.rename(entry)
    except OSError:
        if _open(entry, num_images) is None:
            raise
    for other in entry.parent.glob(f"{entry.name[:12]}-*"):
        if other != entry:
            shutil.rmtree(other, ignore_errors=True)


def _report(blocks: Iterator[Images], total: int, progress: Progress | None) -> Iterator[Images]:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        if progress is not None:
            progress(done, total)


def _not_writable(entry: Path, error: OSError) -> RuntimeError:
    return RuntimeError(
        f"the decoded images cannot be kept in {entry.parent} ({error.strerror or error}); "
        "set NAS_CACHE to a folder with room that can be written"
    )
