"""Identity of images: the files that a run uses, with their sizes and digests of their contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from nas.architecture import fingerprint_json

MAX_FILES = 20_000
"""Up to this number of files are kept one by one; of more, only their folders."""
_SHOWN = 3

FileDigest = tuple[int, str]
"""Size of a file in bytes, and a digest of its contents."""


@dataclass(frozen=True, slots=True)
class FolderDigest:
    """The files of a folder: their number, and a digest of their names and contents."""

    num_files: int
    digest: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifies images by name and content, wherever they are stored.

    Attributes:
        folders: digests by path of the folder, relative to the root of the data.
        files: size and digest by path, likewise; None for more than `MAX_FILES` files.
    """

    folders: Mapping[str, FolderDigest]
    files: Mapping[str, FileDigest] | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for the same files with the same contents."""
        return fingerprint_json({name: each.digest for name, each in self.folders.items()})

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return dict(_ADAPTER.dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, value: Any) -> Identity:  # noqa: ANN401 - any JSON value
        """Rebuilds an identity; ValueError if the value is not one."""
        try:
            return _ADAPTER.validate_python(value)
        except ValidationError as error:
            raise ValueError(f"it does not identify images: {error.errors()[0]['msg']}") from None

    def differences(self, now: Identity) -> list[str]:
        """Says in a few words each how the images have changed until `now`; nothing if they are the same."""
        if self.fingerprint == now.fingerprint:
            return []
        if self.files is None or now.files is None:
            return _compare("folder", {**self.folders}, {**now.folders})
        return _compare("file", {**self.files}, {**now.files})


_ADAPTER = TypeAdapter(Identity)


def identify_files(files: Mapping[str, FileDigest]) -> Identity:
    """Identifies files by path, relative to the root of the data, and digest.

    Names are compared in Unicode's composed form, since file systems differ in it.
    """
    composed = {normalize("NFC", name): digest for name, digest in files.items()}
    known = dict(sorted((composed if len(composed) == len(files) else files).items()))
    folders: dict[str, list[list[str]]] = {}
    for name, (_, digest) in known.items():
        folders.setdefault(str(PurePosixPath(name).parent), []).append([name, digest])
    digests = {name: FolderDigest(len(each), fingerprint_json(each)) for name, each in sorted(folders.items())}
    return Identity(digests, known if len(known) <= MAX_FILES else None)


def identify_arrays(name: str, arrays: Iterable[npt.NDArray[Any]]) -> Identity:
    """Identifies images that are arrays, not files, under a name."""
    digest, number = hashlib.blake2b(digest_size=16), 0
    for array in arrays:
        number = number or len(array)
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return Identity({name: FolderDigest(number, digest.hexdigest())})


def merge(identities: Iterable[Identity | None]) -> Identity:
    """Joins identities of disjoint files; without single files if those of any are unknown or too many."""
    known = [each for each in identities if each is not None]
    files = {name: digest for each in known for name, digest in (each.files or {}).items()}
    is_complete = all(each.files is not None for each in known) and len(files) <= MAX_FILES
    return Identity({k: v for each in known for k, v in each.folders.items()}, files if is_complete else None)


def copies_in_training(trained: Mapping[str, FileDigest], tested: Mapping[str, FileDigest], what: str) -> list[str]:
    """Says how many files, `what`, have the contents of one that is trained on; nothing if there is none."""
    contents = {digest for _, digest in trained.values()}
    copies = [name for name, (_, digest) in tested.items() if digest in contents]
    return [f"{len(copies):,} {what} have an identical copy in training ({shorten(copies)})"] if copies else []


def _compare(kind: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    changes = {
        "added": [name for name in now if name not in before],
        "gone": [name for name in before if name not in now],
        "changed": [name for name in now if name in before and before[name] != now[name]],
    }
    return [f"{_count(kind, names)} {what} ({shorten(names)})" for what, names in changes.items() if names]


def _count(kind: str, names: list[str]) -> str:
    return f"{len(names):,} {kind}{'s' * (len(names) != 1)}"


def shorten(names: Iterable[str]) -> str:
    """Lists the first names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - _SHOWN:,} more" if len(every) > _SHOWN else ""
    return f"{', '.join(f'{name:.120}' for name in every[:_SHOWN])}{more}"
