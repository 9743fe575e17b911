"""Data sets in tar shards: which are for training and which for the test, their classes and images.

Shards are ``train/*.tar`` with ``test/*.tar``, ``val/*.tar`` or ``validation/*.tar``, or files of one folder with these
words in their names, such as ``imagenet-train-000000.tar``. Their members are those of `nas.data.formats.tar_shards`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.data.class_folders import TRAIN_FOLDER, ClassFolders, Layout
from nas.data.data_set import Labels, Progress
from nas.data.formats.tar_shards import LabelledImage, has_labels, read_shard
from nas.data.image_cache import FileList
from nas.data.image_files import HIDDEN, NO_IMAGE, find_folders, image_suffixes, is_hidden
from nas.data.photograph_index import (
    Index,
    decode_name,
    encode_names,
    index_path,
    keep_array,
    mapped,
    needing_room,
    one_at_a_time,
)
from nas.data.report import LeftOut, LeftOutTally
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object

_TESTS = ("test", "val", "validation")
_PART = re.compile(rf"(?<![a-z])({TRAIN_FOLDER}|{'|'.join(_TESTS)})(?![a-z])")
_FORMAT = 1
_PLACES = ("offset", "length", "label")


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of a folder that belong together."""

    folder: Path
    names: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        """Full paths."""
        return [self.folder / name for name in self.names]


@dataclass(frozen=True, slots=True, eq=False)
class _Contents:
    """The index of shards: names and places of images, labels as numbers of `texts`, and what is left out."""

    index: Index
    texts: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def find_shards(root: Path) -> Mapping[str, Shards] | None:
    """Finds shards by what they are for, ``train`` and maybe some of ``test``, ``val`` and ``validation``.

    Returns None for a folder of another layout. Without any names of parts, all shards are for training.
    """
    if (root / TRAIN_FOLDER).is_dir():
        folders = {part: root / part for part in (TRAIN_FOLDER, *_TESTS)}
        found = {part: Shards(folder, _tars(folder)) for part, folder in folders.items()}
        is_sharded = found[TRAIN_FOLDER].names and not find_folders(root / TRAIN_FOLDER)
        return {part: shards for part, shards in found.items() if shards.names} if is_sharded else None
    names = _tars(root)
    if not names or find_folders(root):
        return None
    parts: dict[str, list[str]] = {}
    for name in names:
        match = _PART.search(name.lower())
        parts.setdefault(match[1] if match else "", []).append(name)
    if TRAIN_FOLDER not in parts:
        parts = {TRAIN_FOLDER: [*names]}
    return {part: Shards(root, tuple(some)) for part, some in parts.items()}


def list_sharded(
    root: Path, found: Mapping[str, Shards], progress: Progress | None = None
) -> tuple[Layout, ClassFolders, ClassFolders | None]:
    """Lists the images of shards for training and test; raises ValueError if shards are damaged or do not fit."""
    train = found[TRAIN_FOLDER]
    contents = _read(train, progress)
    class_names = _class_names(train.folder, contents.texts)
    tests, left_out = _find_test(found)
    notices: tuple[str, ...] = ()
    if tests is None:
        notices = (f"{root} has no shards of test images with labels: there are no test images",)
    left_out = (*left_out, *_beside(found.values()))
    layout = Layout(root, train.folder, None if tests is None else tests.folder, class_names, left_out, notices)
    test = None if tests is None else _listed(tests, _read(tests, progress), class_names)
    return layout, _listed(train, contents, class_names), test


def list_sharded_test(root: Path, found: Mapping[str, Shards], class_names: Sequence[str]) -> ClassFolders:
    """Lists the test images of shards; raises ValueError if there are none or classes differ."""
    tests, _ = _find_test(found)
    if tests is None:
        raise ValueError(f"{root} must have shards of test images with labels, named {', '.join(_TESTS)}, got none")
    return _listed(tests, _read(tests, None), class_names)


def _tars(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.glob("*.tar") if path.is_file() and not is_hidden(path.name)))


def _beside(every: Iterable[Shards]) -> tuple[LeftOut, ...]:
    """Files and folders beside shards, such as compressed ones."""
    tally, known = LeftOutTally(), {path for shards in every for path in shards.paths}
    for folder in sorted({path.parent for path in known}):
        for path in sorted(folder.iterdir()):
            if path not in known:
                tally.add(HIDDEN if is_hidden(path.name) else "files or folders beside shards", path.name)
    return tally.result()


def _find_test(found: Mapping[str, Shards]) -> tuple[Shards | None, tuple[LeftOut, ...]]:
    """Returns the first shards of a test that have labels, and the others, which are not used."""
    chosen, left_out = None, []
    for part, shards in found.items():
        if part in _TESTS and chosen is None and has_labels(shards.paths[0]):
            chosen = shards
        elif part != TRAIN_FOLDER:
            reason = "shards of a second test set" if chosen else "shards without labels"
            left_out.append(LeftOut(reason if part else "shards of no known part", len(shards.names), shards.names[:1]))
    return chosen, tuple(left_out)


def _class_names(folder: Path, texts: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of classes, in their order: numbers from 0, or other texts sorted."""
    if not all(text.isascii() and text.isdigit() for text in texts):
        return tuple(sorted(texts))
    numbers = sorted({int(text) for text in texts})
    missing = next((number for number, came in enumerate(numbers) if number != came), None)
    if missing is not None:
        raise ValueError(
            f"the shards of {folder} must hold images of each class from 0 to {numbers[-1]}, class {missing} has none"
        )
    return tuple(map(str, numbers))


def _listed(shards: Shards, contents: _Contents, class_names: Sequence[str]) -> ClassFolders:
    """Returns images with the numbers of their classes; raises ValueError unless these are the given classes."""
    known = {name: number for number, name in enumerate(class_names)}
    numbers = []
    for text in contents.texts:
        number = known.get(text, int(text) if text.isascii() and text.isdigit() else -1)
        if not 0 <= number < len(class_names):
            raise ValueError(
                f"the labels of {shards.folder / shards.names[0]} and others must be names of classes for training, or "
                f"numbers from 0 to {len(class_names) - 1}, got {text!r:.80}"
            )
        numbers.append(number)
    if missing := {*known.values()} - {*numbers}:
        raise ValueError(
            f"the shards of {shards.folder} must hold images of each class, {class_names[min(missing)]} has none"
        )
    labels: Labels = np.array(numbers, dtype=np.int64)[contents.index["label"]]
    names = tuple(map(decode_name, contents.index["name"]))
    return ClassFolders(FileList(shards.folder, names), labels, contents.left_out, contents.index)


def _read(shards: Shards, progress: Progress | None) -> _Contents:
    """Reads all shards, once for each state of them, and keeps what they hold in the cache folder."""
    path = index_path(f"{_digest(shards)}.npy")
    about = path.with_suffix(".json")
    with one_at_a_time(path):
        index = mapped(path)
        if index is None or not about.is_file():
            array, kept = _index(shards, progress)
            with needing_room(path, array):
                keep_array(path, array)
                write_text(about, json.dumps(kept))
            index = mapped(path)
            index = array if index is None else index
        kept = read_json_object(about)
    left_out = (LeftOut(each["reason"], each["number"], tuple(each["examples"])) for each in kept["left_out"])
    return _Contents(index, tuple(kept["labels"]), tuple(left_out))


def _digest(shards: Shards) -> str:
    digest = hashlib.blake2b(str(_FORMAT).encode(), digest_size=16)
    for path in shards.paths:
        state = path.stat()
        changed = f"{state.st_mtime_ns}\0{state.st_ctime_ns}\0{state.st_ino}"  # the latter of a copy with its time
        digest.update(f"{path.name}\0{state.st_size}\0{changed}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _index(shards: Shards, progress: Progress | None) -> tuple[Index, dict[str, Any]]:
    """Reads all shards; returns names and places of images, and the texts of labels and what is left out, for JSON."""
    tally = LeftOutTally()
    names, places, texts = [], [], dict[str, int]()
    for name, (member, text) in _images(shards, tally, progress):
        names.append(f"{name}/{member.name}")
        places.append((member.offset, member.length, texts.setdefault(text, len(texts))))
    if not names:
        raise ValueError(
            f"the shards of {shards.folder} must hold images with labels, such as x.jpg with x.cls, got none; "
            "other archives must be unpacked"
        )
    encoded = encode_names(names)
    index = np.empty(len(names), [("name", encoded.dtype), *((each, np.int64) for each in _PLACES)])
    index["name"] = encoded
    for each, column in zip(_PLACES, zip(*places, strict=True), strict=True):
        index[each] = column
    return index, {"labels": [*texts], "left_out": [asdict(each) for each in tally.result()]}


def _images(shards: Shards, tally: LeftOutTally, progress: Progress | None) -> Iterator[tuple[str, LabelledImage]]:
    for done, path in enumerate(shards.paths):
        if progress is not None:
            progress(done, len(shards.names))
        for each in read_shard(path, refuse=_refuse, leave_out=tally.add):
            yield path.name, each


def _refuse(name: str) -> str | None:
    if any(map(is_hidden, name.removeprefix("./").split("/"))):
        return HIDDEN
    _, _, suffix = name.rpartition("/")[2].partition(".")
    return None if f".{suffix.lower()}" in image_suffixes() else NO_IMAGE
