"""The published data sets for segmentation that are read as they are downloaded, and which of them a folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nas.downstream.segmentation.ade20k import ADE20K
from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.layout import Layout
from nas.downstream.segmentation.pairs import MASKS_FOLDER
from nas.downstream.segmentation.street_scenes import CITYSCAPES, GTA5
from nas.downstream.segmentation.voc_masks import VOC

LAYOUTS: Mapping[str, Layout] = {"cityscapes": CITYSCAPES, "gta5": GTA5, "ade20k": ADE20K, "voc": VOC}
"""By the name that `SegmentationData.format` takes."""


def find_layout(root: Path, name: str) -> Layout | None:
    """Determines the data set in a folder; None for a folder of masks, see `SegmentationData.root`.

    `name` is a key of `LAYOUTS`, ``folder``, or ``auto`` to find out.

    Raises:
        ValueError: if the folder does not hold the named data set.
    """
    if name == "folder" or (name == "auto" and ((root / "train").is_dir() or (root / MASKS_FOLDER).is_dir())):
        return None
    if name == "auto":
        return next((layout for layout in LAYOUTS.values() if layout.is_at(root)), None)
    if not LAYOUTS[name].is_at(root):
        raise ValueError(f"{root} must hold {LAYOUTS[name].title} as it is downloaded, got other folders or none")
    return LAYOUTS[name]


def match_classes(ours: Classes, theirs: Classes, root: Path) -> Classes:
    """Returns our classes with the values that they have in the masks of another data set.

    Raises:
        ValueError: unless the names are equal; of classes that are a part, theirs may have more.
    """
    values = dict(zip(theirs.names, theirs.values, strict=True))
    if missing := next((name for name in ours.names if name not in values), None):
        raise ValueError(f"{root} must have the classes of training, got none named {missing!r:.60}")
    more = next((name for name in theirs.names if name not in ours.names), None)
    if more and not ours.is_part:
        raise ValueError(f"{root} must have the classes of training only, got {more!r:.60} too")
    chosen = tuple(values[name] for name in ours.names)
    return replace(theirs, values=chosen, names=ours.names, is_part=theirs.is_part or ours.is_part)
