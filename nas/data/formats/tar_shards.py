"""Tar shards of images and labels in WebDataset's convention: ``x.jpg`` and ``x.cls`` are an image and its class.

Nothing is extracted: an image is read from its place in the shard.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nas.files.guarded_read import open_regular

LABEL = "cls"
LINK, NO_LABELLED_IMAGE = "links or devices", "labels without an image"
_MAX_LABEL = 200
_LOOKED_AT = 32
_BLOCK = 512


class Member(NamedTuple):
    """A file in a tar archive: its name, the offset of its first byte, and its length in bytes."""

    name: str
    offset: int
    length: int


class LabelledImage(NamedTuple):
    """An image in a shard and the text of its label."""

    image: Member
    label: str


def read_shard(
    path: Path, *, refuse: Callable[[str], str | None], leave_out: Callable[[str, str], None]
) -> list[LabelledImage]:
    """Finds the images of a shard with their labels, in the order of the shard.

    Args:
        path: an uncompressed tar archive.
        refuse: returns for the name of a member why it is no image; None for an image.
        leave_out: is called with the reason and the name of each member that is not used.

    Raises ValueError for a shard that is cut off, an image without label or with two, two images with one label, and a
    label that is no text.
    """
    images: dict[str, Member] = {}
    labels: dict[str, str] = {}
    with open_regular(path) as file:
        for member in read_members(path, lambda name: leave_out(LINK, f"{path.name}/{name}")):
            key, suffix = _key(member.name)
            if (reason := refuse(member.name)) is None:
                if key in images:
                    raise ValueError(
                        f"{path}: {images[key].name:.120} and {member.name:.120} must have names of their own"
                    )
                images[key] = member
            elif suffix == LABEL:
                text = _text(path, member, file)
                if labels.setdefault(key, text) != text:
                    raise ValueError(
                        f"{path}: {key:.120} must have one label, got {labels[key]!r:.60} and {text!r:.60}"
                    )
            else:
                leave_out(reason, f"{path.name}/{member.name}")
    if missing := [member.name for key, member in images.items() if key not in labels]:
        raise ValueError(
            f"{path} must hold a label, a member .{LABEL}, for every image; {len(missing):,} of {len(images):,} have "
            f"none, e.g. {missing[0]:.120}"
        )
    for key in labels.keys() - images.keys():
        leave_out(NO_LABELLED_IMAGE, f"{path.name}/{key}.{LABEL}")
    return [LabelledImage(member, labels[key]) for key, member in images.items()]


def has_labels(path: Path) -> bool:
    """Whether there is a label among the first members of a shard; see `read_members`."""
    return any(_key(member.name)[1] == LABEL for member in islice(read_members(path), _LOOKED_AT))


def read_members(path: Path, skip: Callable[[str], None] = lambda _: None) -> Iterator[Member]:
    """Yields the files in a tar archive; raises ValueError if it is cut off, damaged, compressed or no archive.

    `skip` is called with the names of links and of whatever else is neither a file nor a folder.
    """
    last = "its start"
    try:
        with open_regular(path) as file, tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as archive:
            while (found := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep millions
                last = found.name
                if found.isreg() and not found.issparse():
                    yield Member(found.name, found.offset_data, found.size)
                elif not found.isdir():
                    skip(found.name)
            file.seek(archive.offset)
            if file.read(_BLOCK) != bytes(_BLOCK):
                raise tarfile.ReadError("no end of the archive")
    except tarfile.TarError as error:
        raise _damage(path, last, error) from None


def _damage(path: Path, last: str, reason: object) -> ValueError:
    return ValueError(
        f"the shard {path} must be a whole, uncompressed tar archive; it is cut off or damaged after {last:.120}: "
        f"{reason}"
    )


def _key(name: str) -> tuple[str, str]:
    """Splits a name at the first point of its last part, as WebDataset does."""
    folder, slash, last = name.rpartition("/")
    stem, _, suffix = last.partition(".")
    return folder + slash + stem, suffix.lower()


def _text(path: Path, member: Member, file: BinaryIO) -> str:
    file.seek(member.offset)
    content = file.read(min(member.length, _MAX_LABEL + 1))
    if len(content) < min(member.length, _MAX_LABEL + 1):
        raise _damage(path, member.name, "unexpected end of data")
    text = content.decode("utf-8", "replace").strip()
    if not text or not text.isprintable() or len(content) > _MAX_LABEL:
        raise ValueError(
            f"{path}: the label {member.name:.120} must be the number or name of a class, got {text!r:.60}"
        )
    return text
