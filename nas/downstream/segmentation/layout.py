"""What is known of a published data set for segmentation: where its files are, its classes, and the values of masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from nas.data.report import LeftOut
from nas.downstream.segmentation.classes import Classes, Counts
from nas.downstream.segmentation.pairs import FoundPairs, Pair

Split: TypeAlias = Literal["train", "val"]
Colour: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """A data set as it is downloaded.

    Attributes:
        title: its name in messages.
        is_at: whether a folder holds it.
        find: finds the images of a split with their masks, of the named image sets where a data set has such.
        classes: that are learned.
        other_values: values of masks beside those of the classes, which are ignored.
        palette: colours of masks that have a palette, by value; none are compared where it is empty.
        varies_in_size: whether some masks have another size than their image; these images are left out.
    """

    title: str
    is_at: Callable[[Path], bool]
    find: Callable[[Path, Split, tuple[str, ...] | None], FoundPairs]
    classes: Classes
    other_values: frozenset[int]
    palette: Mapping[int, Colour] = field(default_factory=dict)
    varies_in_size: bool = False

    def check(self, mask: Path, counts: Counts, palette: list[int] | None) -> None:
        """Raises ValueError if a mask holds a value that the set does not have, or has other colours.

        Args:
            mask: its file.
            counts: numbers of pixels per value.
            palette: red, green and blue of each value; None without a palette.
        """
        known = self.other_values | set(self.classes.values)
        for value in np.flatnonzero(counts).tolist():
            if value not in known:
                raise ValueError(f"{mask} must hold values of {self.title}, {_ranges(known)}, got {value}")
            colour, came = self.palette.get(value), None if palette is None else (*palette[3 * value : 3 * value + 3],)
            if colour is not None and came is not None and came != colour:
                raise ValueError(f"{mask} must have the palette of {self.title}, {colour} for {value}, got {came}")


def pair_files(
    root: Path,
    pairs: Iterable[tuple[Path, Path]],
    left_out: tuple[LeftOut, ...] = (),
    *,
    masks: Iterable[Path] = (),
) -> FoundPairs:
    """Pairs images with masks; raises ValueError if there are none, or a mask is missing.

    Of `masks`, all that are there, those without an image are counted as left out.
    """
    found = tuple(Pair(image, mask) for image, mask in pairs)
    used = {pair.mask for pair in found}
    alone = [mask.name for mask in masks if mask not in used]
    left_out += (LeftOut("masks without an image", len(alone), tuple(alone[:3])),) if alone else ()
    if not found:
        raise ValueError(f"{root} must hold images of the split, got none")
    if (bare := next((pair for pair in found if not pair.mask.is_file()), None)) is not None:
        raise ValueError(f"{bare.image} must have a mask {bare.mask}, got none")
    return FoundPairs(found, left_out)


def refuse_sets(title: str, sets: tuple[str, ...] | None) -> None:
    """Raises ValueError if image sets are named for a data set that has a train and a val split only."""
    if sets:
        raise ValueError(f"data.train_sets and data.evaluation_sets are for Pascal VOC's layout, got {title}'s")


def _ranges(values: Iterable[int]) -> str:
    """Formats values such as ``0 to 20, 255``."""
    ranges: list[list[int]] = []
    for value in sorted(values):
        if ranges and ranges[-1][-1] == value - 1:
            ranges[-1] = [ranges[-1][0], value]
        else:
            ranges.append([value])
    return ", ".join(" to ".join(map(str, each)) for each in ranges)
