"""On-disk cache of decoded images, so that a folder is decoded only once.

An entry is a folder whose name contains a digest of the names and contents of all decoded files, so a changed data
folder gets a new entry. If two processes build the same entry at once, the first to rename its copy into place wins and
the other discards its own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nas.architecture import fingerprint_json
from nas.data.data_set import Images, Progress
from nas.data.file_digests import cache_folder, digest_files
from nas.data.identity import FileDigest
from nas.data.image_decoding import decode_blocks

_FORMAT = 2
_ARRAY = "images.npy"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class FileList:
    """Image files by their paths relative to a folder; `part` names the subset of a folder cached in several parts.

    `digests`, in the same order, are those of the contents; None if they have not been computed.
    """

    folder: Path
    names: tuple[str, ...]
    part: str = ""
    digests: tuple[FileDigest, ...] | None = None

    def with_digests(self) -> FileList:
        """Returns the files with the digests of their contents; OSError if one cannot be read."""
        if self.digests is not None:
            return self
        return replace(self, digests=tuple(digest_files(self.folder, self.names).values()))

    def select(self, indices: Iterable[int], part: str) -> FileList:
        """Returns some of the files as a part that is cached by itself."""
        files = self.with_digests()
        places = [int(index) for index in indices]
        digests = files.digests or ()
        return FileList(self.folder, tuple(self.names[i] for i in places), part, tuple(digests[i] for i in places))

    @property
    def paths(self) -> list[Path]:
        """Full paths of the files."""
        return [self.folder / name for name in self.names]


def cached_images(files: FileList, size: int | None, *, progress: Progress | None = None) -> Images:
    """Returns decoded images (see `decode_image`), memory-mapped uint8 (images, 3, height, width), decoding once.

    Raises:
        ValueError: if a file cannot be decoded or sizes differ; the message names the file.
        RuntimeError: if the cache cannot be written.
    """
    manifest = _manifest(files.with_digests(), size)
    entry = cache_folder() / _entry_name(manifest)
    images = _open(entry, len(files.names))
    if images is None:
        _build(entry, manifest, _report(decode_blocks(files.paths, size), len(files.names), progress))
        images = _open(entry, len(files.names))
    if images is None:
        raise RuntimeError(f"the cache entry {entry} cannot be read back; remove it and try again")
    return images


def _manifest(files: FileList, size: int | None) -> dict[str, Any]:
    listed = [[name, *digest] for name, digest in zip(files.names, files.digests or (), strict=True)]
    place = {"format": _FORMAT, "folder": str(files.folder.resolve()), "image_size": size}
    return {**place, **({"part": files.part} if files.part else {}), "files": listed}


def _entry_name(manifest: dict[str, Any]) -> str:
    """Returns the entry's name: the first part identifies the folder, the second also the state of its files."""
    place = {key: value for key, value in manifest.items() if key != "files"}
    return f"{fingerprint_json(place)[:12]}-{fingerprint_json(manifest)}"


def _open(entry: Path, num_images: int) -> Images | None:
    """Opens an entry; returns None if it is missing or damaged."""
    try:
        images: Images = np.load(entry / _ARRAY, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return images if images.dtype == np.uint8 and len(images) == num_images else None


def _build(entry: Path, manifest: dict[str, Any], blocks: Iterator[Images]) -> None:
    """Builds an entry under a temporary name and renames it, so that no reader sees an incomplete one."""
    num_images = len(manifest["files"])
    prefix = f".{entry.name[:12]}-"
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=entry.parent, ignore_cleanup_errors=True) as folder:
            building = Path(folder)
            _write_array(building / _ARRAY, blocks, num_images=num_images)
            (building / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            _publish(building, entry, num_images=num_images)
    except OSError as error:
        raise RuntimeError(
            f"decoded images cannot be written to {entry.parent} ({error.strerror or error}); "
            "set NAS_CACHE to a writable folder with enough free space"
        ) from None


def _write_array(path: Path, blocks: Iterator[Images], *, num_images: int) -> None:
    """Writes block by block, so that the data set may exceed memory and a full disk raises an error."""
    with path.open("wb") as file:
        for index, block in enumerate(blocks):
            if index == 0:
                shape = (num_images, *block.shape[1:])
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(block.data)


def _publish(building: Path, entry: Path, *, num_images: int) -> None:
    """Renames a complete entry into place and removes entries of earlier states of the folder."""
    if _open(entry, num_images) is None:  # remove a damaged entry
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
