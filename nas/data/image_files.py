"""Which files of a folder are images: one rule for all readers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
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
    for path, name in _walk(folder, tally):
        if not os.path.isfile(path):  # noqa: PTH113 - a million paths
            tally.add(NO_FILE, name)
        elif os.path.splitext(name)[1].lower() not in suffixes:  # noqa: PTH122
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


def _walk(folder: Path, tally: LeftOutTally) -> Iterator[tuple[str, str]]:
    """Yields all files but hidden ones, as paths and names below the folder; links to folders are followed once."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        relative = Path(place).relative_to(folder).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in filter(is_hidden, sorted((*folders, *files))):
            tally.add(HIDDEN, prefix + name)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(files):
            if not is_hidden(name):
                yield f"{place}/{name}", prefix + name
