"""Image folders, or tar shards, whose photographs are decoded when they are needed.

The index, an array of names in one file of the cache folder, is memory-mapped by every process. Photographs
are identified by their names and sizes: reading the contents of all of ImageNet would take hours.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from nas.data.class_folders import (
    ClassFolders,
    Layout,
    find_layout,
    list_images,
    list_test_images,
    named_root,
    test_report,
)
from nas.data.data_set import IMAGENET_MEAN, IMAGENET_STD, DataSet, Images, Progress, streamed_statistics
from nas.data.identity import MAX_FILES, FileDigest, FolderDigest, Identity
from nas.data.photograph_index import index_path, map_names, needing_room, one_at_a_time
from nas.data.photograph_split import Photographs, PhotographSplit
from nas.data.picture_notices import picture_notices
from nas.data.report import DataReport, join_left_out
from nas.data.shard_folders import find_shards, list_sharded, list_sharded_test
from nas.data.splits import ImageSource, check_classes, draw_splits
from nas.fidelity import DataSpec
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object

_COUNTED, _COUNTED_SIZE = 10_000, 64
_REPORT_EVERY = 100
_LOOKED_AT = 32


def load_streamed_folder(spec: DataSpec, *, progress: Progress | None = None) -> DataSet:
    """Loads an image folder (see `nas.data.image_folder`) without decoding its photographs.

    Raises:
        ValueError: if a folder or its images are missing, or class names or a list of labels do not fit.
        RuntimeError: if the index cannot be written to the cache folder.
    """
    layout, train, test = _list(spec, progress)
    check_classes(layout.class_names)
    source = _describe(layout, train, test)
    chosen = draw_splits(train.labels, spec, names=source.names, class_names=layout.class_names)
    splits = [_split(train, spec, indices) for indices in chosen]
    mean, std = _statistics(splits[0], spec, progress)
    report = source.report(*chosen)
    load_test = partial(load_streamed_test, spec, layout.class_names)
    return DataSet(splits[0], splits[1], load_test, layout.class_names, mean, std, report)


def load_streamed_test(spec: DataSpec, class_names: tuple[str, ...]) -> PhotographSplit:
    """Finds the test photographs; raises ValueError if there are none."""
    root = named_root(spec)
    shards = find_shards(root)
    found = (
        list_test_images(root, class_names, spec) if shards is None else list_sharded_test(root, shards, class_names)
    )
    return _split(found, spec, np.arange(len(found.labels)), report=test_report(found))


def _list(spec: DataSpec, progress: Progress | None) -> tuple[Layout, ClassFolders, ClassFolders | None]:
    """Lists the images for training and test, in shards or class folders."""
    root = named_root(spec)
    if (shards := find_shards(root)) is not None:
        return list_sharded(root, shards, progress)
    layout = find_layout(spec)
    train = list_images(layout.train, layout.class_names, spec)
    return layout, train, None if layout.test is None else list_test_images(root, layout.class_names, spec)


def _split(
    found: ClassFolders, spec: DataSpec, indices: npt.NDArray[np.int64], *, report: DataReport | None = None
) -> PhotographSplit:
    size = cast("int", spec.image_size)
    names = map_names(found.files.names) if found.index is None else found.index["name"]
    photographs = Photographs(found.files.folder.resolve(), names, indices, size, size, found.index)
    return PhotographSplit(cast("Images", photographs), found.labels[indices], spec.damaged == "skip", report=report)


def _describe(layout: Layout, train: ClassFolders, test: ClassFolders | None) -> ImageSource:
    parts = [each for each in (train, test) if each is not None]
    left_out = join_left_out((_prefix(each, layout.root), each.left_out) for each in parts)
    names = train.files.names
    some = (
        [train.files.folder / name for name in names[:: max(1, len(names) // _LOOKED_AT)]]
        if train.index is None
        else []
    )
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
    """Yields names, labels and sizes in bytes."""
    folder = str(found.files.folder)
    if found.index is not None:
        yield from zip(found.files.names, found.labels.tolist(), found.index["length"].tolist(), strict=True)
        return
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
    path = index_path(f"{_digest_of(some)}.json")
    with one_at_a_time(path):
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # a damaged file costs only its counting
            kept = read_json_object(path)
            return tuple(map(float, kept["mean"])), tuple(map(float, kept["std"]))
        mean, std = streamed_statistics(_squares(some, progress))
        with needing_room(path):
            write_text(path, json.dumps({"mean": mean, "std": std}))
    return mean, std


def _digest_of(some: PhotographSplit) -> str:
    """Identifies photographs by their paths, sizes and times of change, and by whether damaged ones are skipped."""
    digest = hashlib.blake2b(bytes([some.skip_damaged]), digest_size=16)
    for place in range(len(some)):
        found = some.photographs.path(place).stat()
        digest.update(
            f"{some.photographs.source(place)}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\n".encode(
                "utf-8", "surrogateescape"
            )
        )
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
