"""Image folders whose photographs are decoded when they are needed.

The index, an array of names and labels in one file of the cache folder, is memory-mapped by every process. Photographs
are identified by their names and sizes: reading the contents of all of ImageNet would take hours.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from nas.data.class_folders import ClassFolders, Layout, find_layout, list_images, list_test_images, named_root
from nas.data.data_set import IMAGENET_MEAN, IMAGENET_STD, DataSet, Images, Progress, streamed_statistics
from nas.data.file_digests import cache_folder
from nas.data.identity import MAX_FILES, FileDigest, FolderDigest, Identity
from nas.data.photograph_split import Photographs, PhotographSplit
from nas.data.picture_notices import picture_notices
from nas.data.report import join_left_out
from nas.data.splits import ImageSource, check_classes, draw_splits
from nas.fidelity import DataSpec
from nas.files.atomic_write import write_bytes, write_text
from nas.files.guarded_read import read_json_object

_FOLDER = "indexes"
_COUNTED, _COUNTED_SIZE = 10_000, 64
_REPORT_EVERY = 100
_LOOKED_AT = 32


def load_streamed_folder(spec: DataSpec, *, progress: Progress | None = None) -> DataSet:
    """Loads an image folder (see `nas.data.image_folder`) without decoding its photographs.

    Raises:
        ValueError: if a folder or its images are missing, or class names or a list of labels do not fit.
        RuntimeError: if the index cannot be written to the cache folder.
    """
    layout = find_layout(spec)
    check_classes(layout.class_names)
    train = list_images(layout.train, layout.class_names, spec)
    test = None if layout.test is None else list_test_images(named_root(spec), layout.class_names, spec)
    source = _describe(layout, train, test)
    chosen = draw_splits(train.labels, spec, names=source.names, class_names=layout.class_names)
    splits = [_split(train, spec, indices) for indices in chosen]
    mean, std = _statistics(splits[0], spec, progress)
    report = source.report(*chosen)
    load_test = partial(load_streamed_test, spec, layout.class_names)
    return DataSet(splits[0], splits[1], load_test, layout.class_names, mean, std, report)


def load_streamed_test(spec: DataSpec, class_names: tuple[str, ...]) -> PhotographSplit:
    """Finds the test photographs; raises ValueError if there are none."""
    found = list_test_images(named_root(spec), class_names, spec)
    return _split(found, spec, np.arange(len(found.labels)))


def _split(found: ClassFolders, spec: DataSpec, indices: npt.NDArray[np.int64]) -> PhotographSplit:
    size = cast("int", spec.image_size)
    photographs = Photographs(found.files.folder.resolve(), _index(found), indices, size, size)
    return PhotographSplit(cast("Images", photographs), found.labels[indices], spec.damaged == "skip")


def _index(found: ClassFolders) -> npt.NDArray[np.bytes_]:
    """Writes the names to the cache folder, unless they are there, and maps them into memory."""
    names = np.array([name.encode("utf-8", "surrogateescape") for name in found.files.names])
    digest = hashlib.blake2b(np.ascontiguousarray(names).data, digest_size=16).hexdigest()
    path = cache_folder() / _FOLDER / f"{digest}.npy"
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            content = io.BytesIO()
            np.save(content, names, allow_pickle=False)
            write_bytes(path, content.getvalue())
        index: npt.NDArray[np.bytes_] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise RuntimeError(
            f"the index of {len(names):,} photographs, {names.nbytes / 1e6:,.1f} MB, cannot be kept at {path} "
            f"({reason}); set NAS_CACHE to a writable folder with enough free space"
        ) from None
    return index


def _describe(layout: Layout, train: ClassFolders, test: ClassFolders | None) -> ImageSource:
    parts = [each for each in (train, test) if each is not None]
    left_out = join_left_out((_prefix(each, layout.root), each.left_out) for each in parts)
    names = train.files.names
    some = [train.files.folder / name for name in names[:: max(1, len(names) // _LOOKED_AT)]]
    return ImageSource(
        identity=_identify(train, layout.root),
        names=train.files.names,
        num_test=None if test is None else len(test.files.names),
        left_out=(*left_out, *layout.left_out),
        notices=(*layout.notices, *picture_notices(some)),
        tested=None if test is None else _identify(test, layout.root),
    )


def _identify(found: ClassFolders, root: Path) -> Identity:
    """Identifies photographs by name and size, and those of a list also by label, folder by folder."""
    prefix = _prefix(found, root)
    digests: dict[str, tuple[int, Any]] = {}
    files: dict[str, FileDigest] | None = {} if len(found.files.names) <= MAX_FILES else None
    for name, label, size in _sizes(found):
        place = f"{prefix}{name}".rpartition("/")[0] or "."
        number, digest = digests.get(place) or (0, hashlib.blake2b(digest_size=16))
        digest.update(f"{name}\0{size}\0{label}\n".encode("utf-8", "surrogateescape"))
        digests[place] = (number + 1, digest)
        if files is not None:
            files[f"{prefix}{name}"] = (size, "")
    folders = {name: FolderDigest(number, each.hexdigest()) for name, (number, each) in sorted(digests.items())}
    return Identity(folders, files)


def _prefix(found: ClassFolders, root: Path) -> str:
    return "" if found.files.folder == root else f"{found.files.folder.name}/"


def _sizes(found: ClassFolders) -> Iterator[tuple[str, int, int]]:
    folder = str(found.files.folder)
    for name, label in zip(found.files.names, found.labels.tolist(), strict=True):
        yield name, label, os.stat(f"{folder}/{name}").st_size  # noqa: PTH116 - a million paths


def _statistics(
    train: PhotographSplit, spec: DataSpec, progress: Progress | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Counts the colors of up to 10,000 evenly spaced photographs, made small; kept beside the index.

    Processes that start together on a machine wait for the first of them.
    """
    if spec.statistics == "imagenet":
        return IMAGENET_MEAN, IMAGENET_STD
    some = train.thumbnails(_COUNTED, size=_COUNTED_SIZE)
    path = cache_folder() / _FOLDER / f"{_digest_of(some)}.json"
    with path.with_suffix(".lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # a damaged file costs only its counting
            kept = read_json_object(path)
            return tuple(map(float, kept["mean"])), tuple(map(float, kept["std"]))
        mean, std = streamed_statistics(_squares(some, progress))
        write_text(path, json.dumps({"mean": mean, "std": std}))
    return mean, std


def _digest_of(some: PhotographSplit) -> str:
    """Identifies photographs by their paths, sizes and times of change, and by whether damaged ones are skipped."""
    digest = hashlib.blake2b(bytes([some.skip_damaged]), digest_size=16)
    for place in range(len(some)):
        found = (path := some.photographs.path(place)).stat()
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _squares(some: PhotographSplit, progress: Progress | None) -> Iterator[Images]:
    """Yields photographs in blocks; damaged ones are left out if that is the setting."""
    for start in range(0, len(some), _REPORT_EVERY):
        if progress is not None:
            progress(start, len(some))
        block = []
        for place in range(start, min(start + _REPORT_EVERY, len(some))):
            try:
                block.append(some.image(place))
            except ValueError:
                if not some.skip_damaged:
                    raise
        if block:
            yield np.stack(block)
