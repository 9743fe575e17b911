"""Photographs that are decoded when they are needed, in place of an array of images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from nas.data.crop_decoding import ChooseBox, center_box, decode_crop
from nas.data.data_set import Images, Labels, Split
from nas.data.photograph_index import decode_name

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PartOfFile:
    """An image that is a part of a file: offset and length in bytes, and its name in the file."""

    path: Path
    name: str
    offset: int
    length: int

    def read_bytes(self) -> bytes:
        """Reads all of it; raises ValueError if the file ends before."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            content = file.read(self.length)
        if len(content) < self.length:
            raise ValueError(f"it has {self.length:,} bytes, of which {len(content):,} are there")
        return content

    def __str__(self) -> str:
        """Names the file and the image in it."""
        return f"{self.path}, member {self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Photographs:
    """Files, or parts of them, that read like an array of center squares, uint8 (photographs, 3, crop, crop).

    They are decoded at each access.

    Attributes:
        folder: of the files.
        names: paths relative to the folder, encoded, one for each file of the index; a memory-mapped array that all
            processes share.
        indices: which files of the index these are.
        size: length of the shorter side in pixels, from which squares are cropped.
        crop: side of the squares in pixels, at most `size`.
        places: records of ``offset`` and ``length`` in bytes, for images that are parts of files: their names are those
            of the file and of the image, with ``/`` between; None for files.
    """

    folder: Path
    names: npt.NDArray[np.bytes_]
    indices: Indices
    size: int
    crop: int
    places: npt.NDArray[Any] | None = None

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array that this reads like."""
        return len(self), 3, self.crop, self.crop

    def source(self, place: int) -> Path | PartOfFile:
        """The file, or part of one, of the photograph with this number."""
        number = self.indices[place]
        name = decode_name(self.names[number])
        if self.places is None:
            return self.folder / name
        file, _, part = name.partition("/")
        return PartOfFile(
            self.folder / file, part, int(self.places["offset"][number]), int(self.places["length"][number])
        )

    def path(self, place: int) -> Path:
        """Path of the file that holds the photograph with this number."""
        source = self.source(place)
        return source if isinstance(source, Path) else source.path

    def decode(self, place: int, choose: ChooseBox, size: int) -> Images:
        """Decodes a crop of a photograph, see `decode_crop`: uint8 (3, size, size)."""
        return decode_crop(self.source(place), choose, size)

    def square(self, place: int) -> Images:
        """Decodes the center square of a photograph: uint8 (3, crop, crop)."""
        return self.decode(place, partial(center_box, share=self.crop / self.size), self.crop)

    def take(self, places: Indices | slice) -> Photographs:
        """Returns some of the photographs, still to be decoded."""
        return replace(self, indices=self.indices[places])

    def __getitem__(self, key: Any) -> Images:  # noqa: ANN401 - any index of an array
        places = np.arange(len(self))[key]
        if places.ndim == 0:
            return self.square(int(places))
        return np.stack([self.square(int(place)) for place in places])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: ANN401
        return np.asarray(self[:], dtype=dtype)


@dataclass(frozen=True, slots=True, eq=False)
class PhotographSplit(Split):
    """A split whose images are `Photographs`; `skip_damaged` as the setting `damaged: skip`."""

    skip_damaged: bool = False

    @property
    def photographs(self) -> Photographs:
        """The images."""
        return cast("Photographs", self.images)

    def take(self, indices: Indices) -> PhotographSplit:
        """Returns some of the photographs, in the given order."""
        return self._with(self.photographs.take(indices), np.ascontiguousarray(self.labels[indices]))

    def part(self, places: slice) -> PhotographSplit:
        """Returns some of the photographs."""
        return self._with(self.photographs.take(places), self.labels[places])

    def center_crop(self, size: int) -> PhotographSplit:
        """Returns the photographs with squares of this side, cropped from the same shorter side."""
        return self._with(replace(self.photographs, crop=size), self.labels)

    def thumbnails(self, most: int, *, size: int) -> PhotographSplit:
        """Returns evenly spaced photographs, at most `most`, as whole center squares of `size` pixels."""
        places = np.linspace(0, len(self) - 1, min(len(self), most)).astype(np.int64)
        return self._with(replace(self.photographs.take(places), size=size, crop=size), self.labels[places])

    def _with(self, photographs: Photographs, labels: Labels) -> PhotographSplit:
        return PhotographSplit(cast("Images", photographs), labels, self.skip_damaged)
