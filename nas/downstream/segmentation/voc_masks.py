"""The masks of Pascal VOC as they are downloaded: background and 20 classes, 255 along the borders of objects."""

from __future__ import annotations

from pathlib import Path

from nas.downstream.segmentation.classes import IGNORED, Classes
from nas.downstream.segmentation.layout import Colour, Layout, Split, pair_files
from nas.downstream.segmentation.pairs import FoundPairs
from nas.downstream.voc_folder import IMAGES_FOLDER, VOC_CLASSES, find_sets, find_years

MASKS_FOLDER = "SegmentationClass"
_NAMES = ("background", *VOC_CLASSES)
_BITS, _CHANNELS = 8, 3


def voc_colour(value: int) -> Colour:
    """Returns the colour of a value in masks: its bits, in turn for red, green and blue, from the highest one on."""
    red, green, blue = (
        sum((value >> (_CHANNELS * bit + channel) & 1) << (_BITS - 1 - bit) for bit in range(_BITS))
        for channel in range(_CHANNELS)
    )
    return red, green, blue


def _find(root: Path, split: Split, sets: tuple[str, ...] | None) -> FoundPairs:
    chosen = find_sets(root, "Segmentation", split, sets)
    return pair_files(
        root,
        (
            (each.folder / IMAGES_FOLDER / f"{name}.jpg", each.folder / MASKS_FOLDER / f"{name}.png")
            for each in chosen
            for name in each.images
        ),
    )


VOC = Layout(
    "Pascal VOC",
    lambda root: bool(find_years(root)),
    _find,
    Classes(tuple(range(len(_NAMES))), _NAMES, unlabelled=IGNORED),
    frozenset({IGNORED}),
    {value: voc_colour(value) for value in (*range(len(_NAMES)), IGNORED)},
)
