"""Which files of a folder are images: one rule for all readers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from unicodedata import normalize

from PIL import Image

from nas.data.report import LeftOut, LeftOutTally

_SYSTEM_NAMES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin", "lost+found"}
    | {"system volume information"}
)
_OTHER_FORMATS = frozenset({"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"})
"""Formats that Pillow opens but that are no pictures, need another program, or have no decoder."""
FIRST_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Those of version 0.1.0, which read no folders within the class folders."""

HIDDEN, NO_IMAGE, NO_FILE = "hidden or system files", "files without the suffix of an image", "links or devices"


@dataclass(frozen=True, slots=True)
class FoundImages:
    """Paths of images relative to a folder, with ``/`` between folders, sorted; and what else is in it."""

    names: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def find_images(folder: Path, *, as_first_version: bool = False) -> FoundImages:
    """Finds the images in a folder and the folders within it.

    With `as_first_version` the rules are those of version 0.1.0: `FIRST_SUFFIXES`, and no folders within the folder.
    """
    suffixes = FIRST_SUFFIXES if as_first_version else image_suffixes()
    names, tally = [], LeftOutTally()
    for entry, name in _walk(folder, tally):
        if not entry.is_file():
            tally.add(NO_FILE, name)
        elif os.path.splitext(entry.name)[1].lower() not in suffixes:  # noqa: PTH122 - a million names
            tally.add(NO_IMAGE, name)
        elif as_first_version and "/" in name:
            tally.add("images in folders within class folders", name)
        else:
            names.append(name)
    return FoundImages(tuple(sorted(names)), tally.result())


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that an operating system hides or adds: ``._x.jpg``, ``Thumbs.db``, ..."""
    return name.startswith(".") or name.casefold() in _SYSTEM_NAMES


def find_folders(folder: Path) -> tuple[str, ...]:
    """Names of the folders within a folder that are not hidden, sorted."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)))


@cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of the image formats that Pillow decodes by itself, in lower case."""
    Image.init()
    return frozenset(
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _OTHER_FORMATS
    )


def composed(name: str) -> str:
    """Returns a name in Unicode's composed form, in which names of different file systems are compared."""
    return normalize("NFC", name)


def _walk(folder: Path, tally: LeftOutTally) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yields all files but hidden ones with their names below the folder; links to folders are followed once.

    Entries of a folder know whether they are files, which saves a look at each of a million.
    """
    seen: set[str] = set()
    waiting = [(os.fspath(folder), "")]
    while waiting:
        place, prefix = waiting.pop()
        if (real := os.path.realpath(place)) in seen:
            continue
        seen.add(real)
        shown = []
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=attrgetter("name")):
                if is_hidden(entry.name):
                    tally.add(HIDDEN, prefix + entry.name)
                else:
                    shown.append(entry)
        waiting += [(entry.path, f"{prefix}{entry.name}/") for entry in reversed(shown) if entry.is_dir()]
        yield from ((entry, prefix + entry.name) for entry in shown if not entry.is_dir())
